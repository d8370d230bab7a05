"""How many bytes a model's weights take, measured or foreseen, and whether they can be moved. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.acceleration.options import accelerations
from workers.engine.config import OmniDiffusionConfig
from workers.parallel.degrees import ranks_of
from workers.registry import ModelRow

#: Options of `acceleration` under which weights must stay where they are, or move by themselves.
ANCHORS = ("cuda_graphs", "offload", "quantization")


def modules_of(pipeline: Any) -> Iterator[Any]:
    """The torch modules of a pipeline, of whichever contract: its components, else itself."""
    inner = getattr(pipeline, "pipeline", pipeline)
    parts = [part for part in getattr(inner, "components", {}).values() if hasattr(part, "named_parameters")]
    yield from parts or ([inner] if hasattr(inner, "named_parameters") else [])


def weight_bytes(pipeline: Any) -> int:
    """Bytes of all parameters and buffers, each counted once."""
    tensors = {
        id(tensor): tensor
        for module in modules_of(pipeline)
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def foreseen_bytes(row: ModelRow) -> int | None:
    """About what a row will take, from the safetensors in its folder; None for one that is not here."""
    if row.is_simulated:
        return int(row.engine_config().executor_options.get("weight_bytes", 0))
    folder = Path(row.source).expanduser()
    if not folder.is_dir():
        return None
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def why_sleepless(config: ModelRow | OmniDiffusionConfig) -> str | None:
    """Why a model's weights cannot be put to sleep; None if they can."""
    if ranks_of(config.parallel_config, config.num_gpus) > 1:
        return "it spans several devices"
    held = [name for name in ANCHORS if name in accelerations(config.acceleration)]
    return f"`acceleration.{held[0]}` keeps its weights where they are" if held else None
