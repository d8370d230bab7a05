"""When a denoise call may be answered from its own request's past, and with what: policies as data.

A policy says what error skipping a call would add; calls are skipped while the errors since the last computed call
stay within a budget. No torch here: `cache_config` makes policies when a model's row is read, `step_cache` brings
the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: Error of a call that must be computed.
COMPUTE = math.inf


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands: the denoising steps done, of how many; the step computed last; calls skipped since."""

    step: int
    steps: int
    computed: int
    skipped: int


class Evidence(Protocol):
    """What the tensors tell. Each method waits for the device and reads one number."""

    def input_change(self) -> float:
        """Mean absolute change of the sample since the previous call, by its mean absolute value then."""
        ...

    def output_change(self) -> float:
        """The same for the output, predicted from the rate between the two calls computed last; inf if unknown."""
        ...


class Estimate(Protocol):
    """The error that skipping a call would add."""

    def __call__(self, place: Place, evidence: Evidence) -> float: ...


@dataclass(frozen=True)
class Mask:
    """Says beforehand which steps are computed. A mask of another length than the loop's is stretched to it."""

    mask: tuple[bool, ...]

    def __call__(self, place: Place, evidence: Evidence) -> float:
        return COMPUTE if stretched(self.mask, place.step, place.steps) else 0.0


@dataclass(frozen=True)
class Interval:
    """Computes every so many steps, as TaylorSeer does (Liu et al., arXiv:2503.06923)."""

    interval: int

    def __call__(self, place: Place, evidence: Evidence) -> float:
        return COMPUTE if place.step - place.computed >= self.interval else 0.0


@dataclass(frozen=True)
class Curve:
    """Knows how the magnitude of what is reused falls from step to step (MagCache, Ma et al., arXiv:2506.09045).

    `ratios[i]` is the magnitude at step i by that at step i - 1, measured once for a model.
    """

    ratios: tuple[float, ...]

    def __call__(self, place: Place, evidence: Evidence) -> float:
        between = range(place.computed + 1, place.step + 1)
        ratio: float = math.prod(stretched(self.ratios, step, place.steps) for step in between)
        return abs(1 - ratio)


@dataclass(frozen=True)
class InputChange:
    """Reads the change of the sample, rescaled by a polynomial (after TeaCache, Liu et al., arXiv:2411.19108).

    TeaCache looks at the first block's modulated input, which is inside the model; a call's boundary shows the
    sample alone, so coefficients published for TeaCache do not fit. The highest power comes first.
    """

    coefficients: tuple[float, ...]

    def __call__(self, place: Place, evidence: Evidence) -> float:
        change, result = evidence.input_change(), 0.0
        for coefficient in self.coefficients:
            result = result * change + coefficient
        return abs(result)


@dataclass(frozen=True)
class OutputChange:
    """Predicts the change of the output from that of the sample (EasyCache, Zhou et al., arXiv:2507.02860)."""

    def __call__(self, place: Place, evidence: Evidence) -> float:
        return evidence.output_change()


@dataclass(frozen=True)
class CachePolicy:
    """A whole policy. `threshold` is the budget of errors between two computed calls.

    The first `warmup` and the last `final` steps are computed (a warm-up below 1 is a share of the steps), and
    never are more than `max_skips` calls skipped in a row. A skipped call gets the polynomial of degree `order`
    through the calls computed last: of their outputs, or with `reuse="residual"` of output less sample. Without an
    estimate everything is computed, and the magnitudes of what would be reused are measured.
    """

    name: str
    estimate: Estimate | None
    threshold: float = 0.0
    reuse: str = "output"
    order: int = 0
    warmup: float = 1
    final: int = 1
    max_skips: int = 3

    def must_compute(self, place: Place) -> bool:
        """Whether a call is computed whatever the estimate says. A loop of unknown length is never skipped in."""
        warmup = self.warmup if self.warmup >= 1 else math.ceil(self.warmup * place.steps)
        return place.step < warmup or place.step >= place.steps - self.final or place.skipped >= self.max_skips

    def spent_after_skip(self, place: Place, spent: float, evidence: Evidence) -> float | None:
        """The errors so far if this call is skipped, or None: compute it, and start again from zero."""
        if self.estimate is None or self.must_compute(place):
            return None
        total = spent + self.estimate(place, evidence)
        return total if total <= self.threshold else None


def stretched(values: Sequence[Any], step: int, steps: int) -> Any:
    """The value for `step` of `steps` in a list made for another number of steps: the nearest."""
    if len(values) == steps:
        return values[step]
    return values[round(step * (len(values) - 1) / max(1, steps - 1))]


def extrapolation_weights(known: Sequence[int], at: int) -> tuple[float, ...]:
    """How to weigh values known at these steps for the polynomial through them, at another step (Lagrange)."""
    return tuple(
        math.prod((at - other) / (one - other) for other in known if other != one) if len(known) > 1 else 1.0
        for one in known
    )
