"""When a webhook is tried again, and when it is given up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omni_jobs.errors import Misconfigured
from omni_jobs.store import Outcome

#: A receiver may ask us to wait, at most so long.
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
#: Part of a wait that is random, so that many do not come back together.
JITTER = 0.1
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try: the status, or None and why there is none."""

    status: int | None
    error: str = ""
    retry_after_seconds: float | None = None
    #: Trying again cannot help: the URL is not one we may send to.
    is_refused: bool = False

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_trouble(self) -> bool:
        """Whether the receiver as a whole has a problem, not only with this message."""
        return not self.is_refused and (self.status is None or self.status == 429 or self.status >= 500)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a delivery: its outcome, and for `later` the seconds to wait."""

    outcome: Outcome
    wait_seconds: float = 0.0


def parse_waits(text: str) -> tuple[float, ...]:
    """The setting `webhook_waits`. Raises Misconfigured."""
    try:
        waits = tuple(float(part) for part in text.split(","))
    except ValueError:
        waits = (-1.0,)
    if not all(0 <= wait <= 30 * 24 * 3600 for wait in waits):
        raise Misconfigured(
            f"webhook_waits: {text!r} is no list of seconds.", field="webhook_waits", remedy="Write 5,300,1800."
        )
    return waits


def judge_answer(answer: Answer, tries: int, waits: Sequence[float], chance: float) -> Verdict:
    """What follows from the answer to the try number `tries` (from 1); `chance` is random from 0 to 1."""
    if answer.is_success:
        return Verdict("delivered")
    if answer.is_refused or answer.status == GONE or tries > len(waits):
        return Verdict("given_up")
    wait = waits[tries - 1] * (1 + JITTER * chance)
    asked = min(answer.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    return Verdict("later", max(wait, asked))
