"""What the store gives besides jobs: claims, sweeps, deliveries, feed entries. Frozen, plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from omni_jobs.schemas import Event, Job, JobRequest


class Ref(NamedTuple):
    """Names a job everywhere; its text form is the member of every index."""

    account: str
    job_id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.job_id}"

    @classmethod
    def parse(cls, member: str) -> Ref:
        account, _, job_id = member.partition("/")
        return cls(account, job_id)


class Suspicion(NamedTuple):
    """Of a job in whose batch an engine process died: who may run beside it, and its deaths with the job alone."""

    company: str
    alone_crashes: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased attempt. `attempt` is the fencing token; `spent` of `max_attempts` are used, this one included.

    A job with a `company` is suspected of a crash and tolerates only jobs of the same company in its worker.
    `crashes` counts deaths of an engine process with the job in the batch, `alone_crashes` those with it alone.
    """

    account: str
    job_id: str
    attempt: int
    spent: int
    max_attempts: int
    request: JobRequest
    seed: int
    shape: str
    crashes: int
    created_ms: int
    deadline_ms: int | None
    checkpoint: dict[str, Any] | None
    lease_seconds: float
    company: str | None = None
    alone_crashes: int = 0

    @property
    def ref(self) -> Ref:
        return Ref(self.account, self.job_id)


@dataclass(frozen=True, slots=True)
class Ring:
    """A job for which the caller should ring."""

    ref: Ref
    model: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one sweep did; all zero if another process leads."""

    is_leader: bool = False
    released: int = 0
    failed: int = 0
    expired: int = 0
    promoted: int = 0
    cleaned: int = 0
    is_in_grace: bool = False
    rings: tuple[Ring, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One event of an account's feed. `cursor` continues after it."""

    cursor: str
    event: Event


Outcome = Literal["delivered", "later", "untried", "given_up"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event due to a webhook. `tries` counts this one.

    `job` is its state when the event happened; None for a test event.
    """

    id: str
    account: str
    job_id: str
    sequence: int
    type: str
    url: str
    job: Job | None
    created_ms: int
    tries: int
    error: str | None = None
