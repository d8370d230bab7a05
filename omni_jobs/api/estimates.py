"""When a waiting job will be done, from what jobs of its model took lately: arithmetic over a short memory."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from omni_jobs.costs import expected_seconds
from omni_jobs.errors import UnknownModel
from omni_jobs.schemas import Job, JobFilter, JobRequest, ModelCard, Status, Waiting, WorkerInfo
from omni_jobs.store import JobStore

#: How many finished jobs are looked at, and how long what they say is kept.
SAMPLE_JOBS = 20
MEMORY_SECONDS = 5.0


@dataclass(frozen=True)
class Pace:
    """Measured on finished jobs: seconds per unit of expected work, and the median job's seconds."""

    seconds_per_unit: float
    job_seconds: float


def pace_of(finished: Sequence[Job], card: ModelCard) -> Pace | None:
    """The pace that these jobs ran at; None if none of them tells."""
    ran = [
        ((job.finished_at - job.started_at).total_seconds(), expected_seconds(job.request, card))
        for job in finished
        if job.started_at and job.finished_at
    ]
    if not ran:
        return None
    return Pace(
        seconds_per_unit=sum(seconds for seconds, _ in ran) / sum(units for _, units in ran),
        job_seconds=statistics.median(seconds for seconds, _ in ran),
    )


def estimate_seconds(position: int, slots: int, pace: Pace, units: float) -> float:
    """Seconds until a job with `position` before it is done, when `slots` run side by side."""
    rounds = math.ceil(position / slots) if position else 0
    return rounds * pace.job_seconds + units * pace.seconds_per_unit


def slots_for(model: str, workers: Sequence[WorkerInfo]) -> int:
    """Slots of live workers that serve a model now."""
    return sum(one.slots for one in workers if one.serves(model))


class Estimates:
    """Adds estimates to what the store says of waiting jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._paces: dict[tuple[str, str], tuple[float, Pace | None]] = {}

    def waiting(self, job: Job) -> Waiting | None:
        """Why a queued job waits, its place, and when it will be done if that can be told."""
        waiting = self._store.waiting(job.account, job.id)
        if waiting is None:
            return None
        try:
            card = self._store.card(job.request.model)
        except UnknownModel:
            return waiting
        slots = slots_for(card.name, self._store.workers())
        pace = self._pace(job.account, card) if slots else None
        if pace is None:
            return waiting
        seconds = estimate_seconds(waiting.position, slots, pace, expected_seconds(job.request, card))
        return waiting.model_copy(update={"eta_seconds": round(seconds, 2)})

    def new_job_seconds(self, account: str, card: ModelCard, position: int) -> float | None:
        """Seconds until a job with the model's defaults were done behind so many others, if that can be told."""
        slots = slots_for(card.name, self._store.workers())
        pace = self._pace(account, card) if slots else None
        if pace is None:
            return None
        units = expected_seconds(JobRequest(model=card.name, prompt="any"), card)
        return round(estimate_seconds(position, slots, pace, units), 2)

    def _pace(self, account: str, card: ModelCard) -> Pace | None:
        now, place = time.monotonic(), (account, card.name)
        with self._lock:
            known = self._paces.get(place)
        if known is not None and now - known[0] < MEMORY_SECONDS:
            return known[1]
        wanted = JobFilter(Status.SUCCEEDED, card.name)
        finished, _ = self._store.list(account, wanted, limit=SAMPLE_JOBS)
        pace = pace_of(finished, card)
        with self._lock:
            self._paces[place] = (now, pace)
        return pace
