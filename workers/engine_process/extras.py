"""What a custom pipeline gives beside its media: tensors as one safetensors file, and metrics that JSON can hold.

Runs in the engine process, off the engine's thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workers.engine.request import DiffusionOutput
from workers.engine_process.spool import SpoolFile, write_spool

#: Fields of DiffusionOutput that hold tensors of their own.
TRAJECTORY = ("trajectory_timesteps", "trajectory_latents")


def spool_tensors(output: DiffusionOutput, folder: Path) -> tuple[SpoolFile, ...]:
    """The trajectory, and tensors among the metrics, by name as one safetensors file; no file if there are none.

    A list of tensors of one shape becomes one tensor with a first dimension more.

    Raises:
        ValueError: a field of the trajectory holds something else.
    """
    found = {name: getattr(output, name) for name in TRAJECTORY if getattr(output, name) is not None}
    found |= {name: value for name, value in output.metrics.items() if _is_tensor(value)}
    if not found:
        return ()
    from safetensors.torch import save

    content = save({name: _tensor(name, value) for name, value in found.items()}, {"format": "pt"})
    return (write_spool(folder, content, (len(content),), kind="tensors"),)


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that are numbers and words. NaN and infinity are left out: JSON has no words for them."""
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    }


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "detach") or isinstance(value, np.ndarray)


def _tensor(name: str, value: Any) -> Any:
    import torch

    try:
        if isinstance(value, list | tuple):
            return torch.stack([torch.as_tensor(item).detach().cpu() for item in value]).contiguous()
        return torch.as_tensor(value).detach().cpu().contiguous()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"`{name}` of the pipeline's output is no tensor: {error}") from error
