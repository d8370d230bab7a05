"""How far two outputs of one call lie apart, and how far they may.

Rounding differs between batch sizes, so the measure is relative and the bound grows from a control: the same call
merged with itself. A wrong rule is far above it, in half precision too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

from workers.stepping.records import is_record

#: Root-mean-square difference, relative to the reference's, that rounding alone may cause, by the coarsest dtype.
FLOOR = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 4e-4, torch.bfloat16: 1.5e-3}
#: The bound is the floor plus so many times the control's deviation.
CONTROL_MULTIPLE = 2.0
#: A control above so many floors is believed only if rounding the sample differently moves the output as far.
CONTROL_TRUST = 2.5
#: The greatest single difference may exceed the root mean square so many times (relative to the greatest value).
PEAK_MULTIPLE = 8.0


@dataclass(frozen=True)
class Deviation:
    """`rms`: root mean square of the difference over that of the reference; `peak`: greatest over greatest."""

    rms: float = 0.0
    peak: float = 0.0

    def worst(self, other: Deviation) -> Deviation:
        return Deviation(max(self.rms, other.rms), max(self.peak, other.peak))

    def within(self, bound: Deviation) -> bool:
        """False also for NaN."""
        return self.rms <= bound.rms and self.peak <= bound.peak


def coarsest(values: Iterable[Any]) -> torch.dtype:
    """The least precise floating dtype among the tensors."""
    dtypes = {value.dtype for value in values if isinstance(value, torch.Tensor) and value.is_floating_point()}
    return max(dtypes & FLOOR.keys(), key=lambda dtype: FLOOR[dtype], default=torch.float32)


def is_credible(control: Deviation, dtype: torch.dtype, sensitivity: Callable[[], Deviation]) -> bool:
    """Whether a control is rounding, and not the merge itself being wrong for equal calls too.

    `sensitivity` is how far the output moves when the sample is rounded differently; asked for only if needed.
    """
    floor = FLOOR.get(dtype, FLOOR[torch.float32])
    return control.rms <= CONTROL_TRUST * floor or control.rms <= CONTROL_TRUST * sensitivity().rms


def bound(control: Deviation, dtype: torch.dtype) -> Deviation:
    """What a right merge may deviate by, given the control's deviation and the coarsest dtype in play."""
    floor = FLOOR.get(dtype, FLOOR[torch.float32])
    return Deviation(
        floor + CONTROL_MULTIPLE * control.rms,
        PEAK_MULTIPLE * floor + CONTROL_MULTIPLE * control.peak,
    )


def deviation(reference: Any, other: Any) -> Deviation:
    """The worst deviation over all tensors of two outputs; infinite where their structure differs."""
    if isinstance(reference, DiagonalGaussianDistribution):
        return deviation(reference.parameters, other.parameters)
    if is_record(reference) and is_record(other):
        reference, other = vars(reference), vars(other)
    if isinstance(reference, torch.Tensor):
        return _between(reference, other)
    if isinstance(reference, dict):
        reference, other = list(reference.values()), list(other.values())
    if isinstance(reference, list | tuple):
        if len(reference) != len(other):
            return Deviation(math.inf, math.inf)
        worst = Deviation()
        for mine, theirs in zip(reference, other, strict=True):
            worst = worst.worst(deviation(mine, theirs))
        return worst
    return Deviation() if reference == other else Deviation(math.inf, math.inf)


def _between(reference: torch.Tensor, other: Any) -> Deviation:
    if not isinstance(other, torch.Tensor) or reference.shape != other.shape:
        return Deviation(math.inf, math.inf)
    if reference.numel() == 0:
        return Deviation()
    if not (reference.is_floating_point() or reference.is_complex()):
        return Deviation() if torch.equal(reference, other) else Deviation(math.inf, math.inf)
    finite = torch.isfinite(reference)
    if not torch.equal(finite, torch.isfinite(other)):
        return Deviation(math.inf, math.inf)
    mine, theirs = reference[finite].double(), other[finite].double()
    if mine.numel() == 0:
        return Deviation()
    difference = (mine - theirs).abs()
    size = mine.square().mean().sqrt().item()
    greatest = mine.abs().max().item()
    tiny = torch.finfo(torch.float32).tiny
    return Deviation(
        difference.square().mean().sqrt().item() / max(size, tiny), difference.max().item() / max(greatest, tiny)
    )
