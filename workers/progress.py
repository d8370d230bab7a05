"""How far a job is, from where its requests stand. Pure; the slots report what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omni_jobs.schemas import Phase, Progress
from workers.engine_process import Position


@dataclass(frozen=True)
class Share:
    """One request of a job: finished, or at a position (None: its first call has not come)."""

    position: Position | None
    is_finished: bool

    @property
    def fraction(self) -> float:
        """Part of its denoising that is done, 0 to 1."""
        if self.is_finished:
            return 1.0
        if self.position is None or self.position.steps == 0:
            return 0.0
        return min(1.0, self.position.step / self.position.steps)


@dataclass(frozen=True)
class Start:
    """When the first step was seen, in seconds, and how far the job was then: a resumed one was not at nothing."""

    at: float
    fraction: float = 0.0

    @classmethod
    def seen(cls, shares: Sequence[Share], now: float) -> Start | None:
        """None before the first step."""
        fraction = fraction_of(shares)
        return cls(now, fraction) if fraction > 0 else None


def fraction_of(shares: Sequence[Share]) -> float:
    """Part of all denoising that is done, 0 to 1."""
    return sum(share.fraction for share in shares) / len(shares)


def progress_of(shares: Sequence[Share], start: Start | None, now: float) -> Progress:
    """Progress over all outputs. The phase is that of the request that is least far.

    The estimate assumes that the rest goes as fast as what was done since `start`.
    """
    fraction = fraction_of(shares)
    index = min(range(len(shares)), key=lambda place: shares[place].fraction)
    position = shares[index].position
    if all(share.is_finished for share in shares):
        return Progress(phase=Phase.UPLOAD, percent=100.0, index=index, eta_seconds=0.0)
    made = fraction - start.fraction if start else 0.0
    rest = (now - start.at) * (1 - fraction) / made if start and made > 0 else None
    return Progress(
        phase=Phase(position.lane) if position else Phase.ENCODE,
        step=position.step if position else 0,
        steps=position.steps if position else 0,
        percent=round(100 * fraction, 1),
        eta_seconds=None if rest is None else round(rest, 2),
        index=index,
    )
