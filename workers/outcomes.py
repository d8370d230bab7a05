"""What becomes of a job when its attempt ends: one table from what was raised to the move that follows. Pure."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import EngineUnavailable, OmniJobsError, Poisoned
from omni_jobs.schemas import Artifact, Enhancement, JobError, Sharing, Status
from omni_jobs.store import Claim, Suspicion
from workers.blame import blamed, is_poison
from workers.engine_process import EngineLost, RequestDropped

#: Pause in seconds before a failed attempt is tried again: doubled with each attempt spent, at most the second.
RETRY_SECONDS = (1.0, 60.0)


@dataclass(frozen=True)
class Ending:
    """The move that ends an attempt."""

    status: Status
    reason: str = ""
    error: JobError | None = None
    artifacts: Sequence[Artifact] = ()
    sharing: Sharing | None = None
    timings: dict[str, float] | None = None
    enhancement: Enhancement | None = None
    not_before_ms: int | None = None
    count_attempt: bool = True
    crashed: bool = False
    suspicion: Suspicion | None = None
    is_unexpected: bool = False

    def facts(self) -> dict[str, Any]:
        """Arguments of `JobStore.move`."""
        names = (
            "reason",
            "error",
            "artifacts",
            "sharing",
            "timings",
            "enhancement",
            "not_before_ms",
            "count_attempt",
            "crashed",
            "suspicion",
        )
        return {name: getattr(self, name) for name in names}

    @property
    def log_level(self) -> int:
        return logging.ERROR if self.is_unexpected else logging.WARNING


def ending_of(error: Exception, claim: Claim, *, worker: str, is_draining: bool) -> Ending:
    """The move for an attempt that raised.

    Innocents go back without spending an attempt: those whose worker drains, and those whose engine process died
    outside their batch, or in a batch with others. A retryable fault spends one and waits; anything else is the
    job's own failure.
    """
    is_innocent = isinstance(error, RequestDropped | EngineLost) or getattr(error, "retryable", False)
    if isinstance(error, RequestDropped) or (is_draining and is_innocent):
        return Ending(Status.QUEUED, "worker is draining" if is_draining else "dropped", count_attempt=False)
    if isinstance(error, EngineLost):
        return _after_a_crash(error, claim, worker)
    if isinstance(error, EngineUnavailable):
        return Ending(Status.QUEUED, "engine is not ready", not_before_ms=_later(1.0), count_attempt=False)
    if isinstance(error, OmniJobsError):
        told = _job_error(error, claim, worker)
        if error.retryable:
            pause = min(RETRY_SECONDS[0] * 2 ** (claim.spent - 1), RETRY_SECONDS[1])
            return Ending(Status.QUEUED, error.code, error=told, not_before_ms=_later(pause))
        return Ending(Status.FAILED, error.code, error=told)
    told = _job_error(OmniJobsError(f"The worker failed: {type(error).__name__}: {error}"), claim, worker)
    return Ending(Status.FAILED, told.code, error=told, is_unexpected=True)


def _after_a_crash(error: EngineLost, claim: Claim, worker: str) -> Ending:
    """Suspects go on in smaller company; one that crashes alone spends an attempt, and is poison before long."""
    if not error.blamed:
        return Ending(Status.QUEUED, "engine process died beside it", count_attempt=False)
    found, crashes = blamed(claim.job_id, error.batch), claim.crashes + 1
    alone = claim.alone_crashes + found.was_alone
    if found.was_alone and (is_poison(crashes, alone) or claim.spent >= claim.max_attempts):
        poison = Poisoned(
            f"The engine process died {crashes} times with this job in the batch, {alone} of them with it alone. "
            f"The last time it {error.cause}.",
            remedy="Change the request, or look at the worker's log, before submitting it again.",
        )
        return Ending(Status.FAILED, poison.code, error=_job_error(poison, claim, worker), crashed=True)
    others = len(error.batch) - 1
    beside = f", beside {others} other{'s' * (others > 1)}" if others else ""
    told = EngineUnavailable(f"The engine process {error.cause}; this job was in its batch{beside}.")
    return Ending(
        Status.QUEUED,
        "engine process died" if found.was_alone else "engine process died in company",
        error=_job_error(told, claim, worker),
        count_attempt=found.was_alone,
        crashed=True,
        suspicion=Suspicion(found.company, alone),
    )


def _job_error(error: OmniJobsError, claim: Claim, worker: str) -> JobError:
    return JobError(
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        retryable=error.retryable,
        attempt=claim.attempt,
        max_attempts=claim.max_attempts,
        worker=worker,
    )


def _later(seconds: float) -> int:
    return round((time.time() + seconds) * 1000)
