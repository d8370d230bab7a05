"""What kinds of job a run submits, how often, and how each may end. One row a role."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "sim"
#: Parts of prompts by which the simulated device knows what to do.
BROKEN, POISON, HANGING = "broken", "poison", "hanging"


@dataclass(frozen=True)
class Role:
    """`weight` says how often; `ends` are statuses, for failed jobs with the error's code."""

    weight: float
    ends: tuple[str, ...]
    prompt: str = "fox"
    is_canceled: bool = False
    deadline_seconds: float | None = None
    hold_seconds: float | None = None


ROLES: dict[str, Role] = {
    "plain": Role(100.0, ("succeeded",)),
    "held": Role(3.0, ("succeeded",), hold_seconds=2.0),
    "canceled": Role(8.0, ("canceled", "succeeded"), is_canceled=True),
    "hurried": Role(2.0, ("succeeded", "expired", "failed deadline_exceeded"), deadline_seconds=3.0),
    "broken": Role(2.0, ("failed execution_failed",), BROKEN),
    "poison": Role(0.1, ("failed poisoned",), POISON),
    "hanging": Role(0.05, ("failed poisoned",), HANGING),
}
