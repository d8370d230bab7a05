"""What a spread model cannot have beside it: other options of the same row, and why. Torch-free, for rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omni_jobs.errors import Misconfigured
from workers.acceleration.options import accelerations
from workers.parallel.degrees import DiffusionParallelConfig, parallel_config, ranks_of

_PLACES = "both decide where a weight lies"
_GRAPH = "a captured forward holds no exchange between ranks"

#: An option of `parallel_config`, one of `acceleration`, and why not both.
CONFLICTS: tuple[tuple[str, str, str], ...] = (
    ("tensor_parallel_size", "offload", _PLACES),
    ("tensor_parallel_size", "quantization", "quantized weights cannot be divided"),
    ("tensor_parallel_size", "layerwise_casting", "casting would replace the divided weights"),
    ("tensor_parallel_size", "cuda_graphs", _GRAPH),
    ("ulysses_degree", "cuda_graphs", _GRAPH),
    ("ring_degree", "cuda_graphs", _GRAPH),
    ("cfg_parallel_size", "cuda_graphs", _GRAPH),
)


def check_spread(
    given: Mapping[str, Any], num_gpus: int | None, acceleration: Mapping[str, Any], lora_folder: str | None
) -> None:
    """Refuse a row's `parallel_config` that cannot be meant, alone or beside the rest of the row.

    Raises:
        Misconfigured: see `ranks_of` and `check_company`.
    """
    ranks_of(given, num_gpus)
    check_company(parallel_config(given), acceleration, lora_folder)


def check_company(
    config: DiffusionParallelConfig, acceleration: Mapping[str, Any], lora_folder: str | None
) -> None:
    """Refuse what cannot be served together.

    Raises:
        Misconfigured: two options exclude each other.
    """
    asked, beside = config.asked, accelerations(acceleration).keys()
    for option, other, reason in CONFLICTS:
        if option in asked and other in beside:
            raise _excluded(option, f"acceleration.{other}", acceleration[other], reason)
    if "tensor_parallel_size" in asked and lora_folder is not None:
        raise _excluded("tensor_parallel_size", "lora_folder", lora_folder, "adapters are not divided")


def _excluded(option: str, other: str, value: Any, reason: str) -> Misconfigured:
    return Misconfigured(
        f"`parallel_config.{option}` and `{other}` exclude each other: {reason}.",
        field=other,
        value=value,
        remedy="Leave one of them out.",
    )
