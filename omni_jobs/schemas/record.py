"""A job as everybody reads it: status, progress, artifacts, error. The store builds it, every door shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from omni_jobs.schemas.job import JobRequest
from omni_jobs.schemas.lifecycle import Phase, Status

#: Version of the stored record. A worker leaves records of a later version alone.
RECORD_VERSION = 1


class Record(BaseModel):
    """Base of what we write ourselves: frozen; readers ignore fields that a newer version added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Artifact(Record):
    """One stored output. `key` is the storage key, `url` a signed link made at reading time."""

    id: str
    index: int
    key: str
    content_type: str
    size_bytes: int
    sha256: str
    seed: int
    width: int | None = None
    height: int | None = None
    kind: str = "output"
    url: str | None = None
    expires_at: datetime | None = None


class JobError(Record):
    """Why a job failed and what its owner can do about it."""

    code: str
    message: str
    remedy: str | None = None
    retryable: bool = False
    attempt: int = 0
    max_attempts: int = 0
    worker: str | None = None


class Progress(Record):
    """The latest word of a running job; droppable. `percent` is 0 to 100, over all its outputs."""

    phase: Phase
    step: int = 0
    steps: int = 0
    percent: float = 0.0
    eta_seconds: float | None = None
    index: int = 0


class Waiting(Record):
    """Why a queued job has not begun: its place (0 is next), and an estimate from measured call times."""

    position: int
    reason: str
    eta_seconds: float | None = None


class Sharing(Record):
    """How a job's denoise calls were served. `forwards` is its share of them: a call in a batch of 8 costs 1/8.

    `calls_saved` were answered by the job's own step cache, and are not among `calls`.
    """

    calls: int = 0
    calls_saved: int = 0
    shared_calls: int = 0
    forwards: float = 0.0
    max_batch: int = 0
    device_seconds: float = 0.0


class Enhancement(Record):
    """What became of `enhance_prompt`: the prompt that was drawn, or why it was the original."""

    revised_prompt: str | None = None
    enhancement_skipped: str | None = None


class Job(Enhancement):
    """The public record of a job."""

    id: str
    account: str
    status: Status
    request: JobRequest
    seed: int
    attempt: int = 0
    max_attempts: int = 0
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    progress: Progress | None = None
    waiting: Waiting | None = None
    artifacts: tuple[Artifact, ...] = ()
    error: JobError | None = None
    sharing: Sharing | None = None
    timings: dict[str, float] = Field(default_factory=dict)
    retry_of: str | None = None
    sequence: int = 0

    @property
    def is_finished(self) -> bool:
        return self.status.is_terminal

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, null fields left out."""
        return self.model_dump(mode="json", exclude_none=True)
