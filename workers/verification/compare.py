"""Two outputs of one request side by side, and how far rounding alone may put them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from workers.engine.calls import Lane
from workers.engine_process.outputs import FIELDS
from workers.stepping.deviation import FLOOR
from workers.stepping.lanes import lane_of

Arrays = list[np.ndarray[Any, np.dtype[Any]]]

#: An output in company may differ by so many floors of its precision, or so many times what rounding does.
FLOOR_MULTIPLE = 10.0
ROUNDING_MULTIPLE = 20.0


def arrays(output: Any) -> Arrays:
    """All media in a pipeline's output, in a fixed order.

    Raises:
        ValueError: there are none, so that nothing could be compared.
    """
    found = list(_leaves(output))
    if not found:
        raise ValueError(f"an output of type {type(output).__name__} holds no media")
    return found


def _leaves(value: Any) -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    if isinstance(value, torch.Tensor):
        yield value.detach().float().cpu().numpy()
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, Mapping) or any(hasattr(value, name) for name in FIELDS):
        held = value if isinstance(value, Mapping) else vars(value)
        for name in FIELDS:
            if held.get(name) is not None:
                yield from _leaves(held[name])
    elif value is not None:
        array = np.asarray(value)
        if array.dtype != object:
            # Pictures of bytes are compared as those of numbers between 0 and 1.
            yield array / 255 if array.dtype == np.uint8 else array


def difference(mine: Arrays, other: Arrays) -> float:
    """The greatest difference, relative to the greatest value; infinite where shapes or NaNs differ."""
    if [array.shape for array in mine] != [array.shape for array in other]:
        return float("inf")
    worst = 0.0
    for one, two in zip(mine, other, strict=True):
        same = np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
        if same or not one.size:
            continue
        gap = float(np.abs(one.astype(np.float64) - two.astype(np.float64)).max())
        worst = max(worst, gap / max(1.0, float(np.abs(one).max()))) if np.isfinite(gap) else float("inf")
    return worst


def denoisers(pipeline: Any) -> list[nn.Module]:
    """The modules of a pipeline that denoise."""
    parts = dict(getattr(pipeline, "components", {})) or dict(getattr(pipeline, "named_children", dict)())
    modules = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
    return [part for name, part in modules.items() if lane_of(name, part, "__call__") is Lane.DENOISE]


def precision(pipeline: Any) -> torch.dtype:
    """The least precise floating dtype among a pipeline's denoisers."""
    dtypes = {part.dtype for part in (next(m.parameters(), None) for m in denoisers(pipeline)) if part is not None}
    return max(dtypes & FLOOR.keys(), key=lambda dtype: FLOOR[dtype], default=torch.float32)


def bound_for(pipeline: Any, rounding: float) -> float:
    """The difference allowed, where rounding the denoiser's sample otherwise moves the output by `rounding`."""
    return max(FLOOR_MULTIPLE * FLOOR[precision(pipeline)], ROUNDING_MULTIPLE * rounding)


@contextmanager
def nudging(pipeline: Any) -> Iterator[None]:
    """While it lasts every sample that a denoiser gets is off by about half a unit in the last place."""

    def nudge(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        name = next((name for name, value in given.items() if _is_sample(value)), None)
        if name is not None:
            given[name] = _rounded_otherwise(given[name])
        return tuple(given[index] for index in range(len(args))), {name: given[name] for name in kwargs}

    hooks = [module.register_forward_pre_hook(nudge, with_kwargs=True) for module in denoisers(pipeline)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_sample(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 2


def _rounded_otherwise(sample: torch.Tensor) -> torch.Tensor:
    half_unit = torch.finfo(sample.dtype).eps / 2
    sign = torch.arange(sample.numel(), device=sample.device).reshape(sample.shape) % 2 * 2 - 1
    return (sample.double() * (1 + half_unit * 1.01 * sign)).to(sample.dtype)
