"""What the demo measured, and whether that is good enough: figures from the jobs' own records, and four bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omni_jobs import __version__
from omni_jobs.demo.comparing import Comparison
from omni_jobs.demo.drawing import Drawn
from omni_jobs.demo.receiver import Receiver

LEAST_CALLS_PER_FORWARD = 3.0
#: fp32: the same sums in another order differ by rounding.
GREATEST_LATENTS_DIFFERENCE = 1e-4
#: One level of eight bits.
GREATEST_PIXEL_DIFFERENCE = 1 / 255


@dataclass(frozen=True)
class Check:
    """One promise: in words, and whether it was kept."""

    words: str
    ok: bool


@dataclass(frozen=True)
class Report:
    """All figures. `seconds` is from the first submit to the last end, of both rounds of jobs."""

    storage: str
    jobs: int
    generations: int
    edits: int
    seconds: float
    images_per_second: float
    calls: int
    forwards: float
    calls_per_forward: float
    max_batch: int
    webhooks: int
    webhooks_refused: int
    ends_told: int
    comparison: Comparison

    @property
    def right(self) -> int:
        """Pictures that show what was asked for, by their pixels."""
        return sum(self.comparison.right)

    def checks(self) -> list[Check]:
        """What the demo promises; one that is not kept fails it."""
        found = self.comparison
        return [
            Check(
                f"{self.calls} denoiser calls took {self.forwards:.0f} forwards: "
                f"{self.calls_per_forward:.2f} calls per forward, at least {LEAST_CALLS_PER_FORWARD:g}",
                self.calls_per_forward >= LEAST_CALLS_PER_FORWARD,
            ),
            Check(
                f"latents of {found.latents_jobs} jobs, together against alone: at most {found.latents:.1e} "
                f"apart, bound {GREATEST_LATENTS_DIFFERENCE:.0e}",
                found.latents <= GREATEST_LATENTS_DIFFERENCE,
            ),
            Check(
                f"pixels of {found.pixels_jobs} delivered pictures against plain diffusers: at most "
                f"{found.pixels * 255:.0f}/255 apart, bound 1/255",
                # Levels are whole numbers: half a level of room for the division.
                found.pixels <= GREATEST_PIXEL_DIFFERENCE + 0.5 / 255,
            ),
            Check(
                f"{self.webhooks} webhooks with a valid signature, {self.webhooks_refused} refused; the end of "
                f"{self.ends_told} of {self.jobs} jobs was told",
                self.ends_told == self.jobs and not self.webhooks_refused,
            ),
        ]

    def to_json(self, drawn: Sequence[Drawn]) -> dict[str, Any]:
        """`report.json`."""
        checks = self.checks()
        return {
            "version": __version__,
            **asdict(self),
            "right": self.right,
            "checks": [asdict(check) for check in checks],
            "passed": all(check.ok for check in checks),
            "pictures": [
                {
                    "file": one.picture.name,
                    "job": one.job.id,
                    "task": one.order.task,
                    "prompt": one.order.prompt,
                    "seed": one.order.seed,
                    "steps": one.order.steps,
                    "right": right,
                }
                for one, right in zip(drawn, self.comparison.right, strict=True)
            ],
        }


def make_report(drawn: Sequence[Drawn], receiver: Receiver, comparison: Comparison, storage: str) -> Report:
    """Count what happened."""
    sharing = [one.job.sharing for one in drawn if one.job.sharing is not None]
    calls, forwards = sum(one.calls for one in sharing), sum(one.forwards for one in sharing)
    generations = [one for one in drawn if one.order.source is None]
    edits = [one for one in drawn if one.order.source is not None]
    seconds = _seconds(generations) + _seconds(edits)
    return Report(
        storage=storage,
        jobs=len(drawn),
        generations=len(generations),
        edits=len(edits),
        seconds=round(seconds, 3),
        images_per_second=round(len(drawn) / seconds, 2),
        calls=calls,
        forwards=round(forwards, 2),
        calls_per_forward=round(calls / forwards, 3) if forwards else 0.0,
        max_batch=max((one.max_batch for one in sharing), default=0),
        webhooks=len(receiver.messages),
        webhooks_refused=receiver.refused,
        ends_told=len(receiver.ended_jobs & {one.job.id for one in drawn}),
        comparison=comparison,
    )


def _seconds(drawn: Sequence[Drawn]) -> float:
    """From the first submit to the last end."""
    ends = [one.job.finished_at for one in drawn if one.job.finished_at is not None]
    return (max(ends) - min(one.job.created_at for one in drawn)).total_seconds()
