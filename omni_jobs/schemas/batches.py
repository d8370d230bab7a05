"""An OpenAI batch: a file of requests, what became of them, and the files that say so."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from omni_jobs.schemas.record import Record


class BatchStatus(StrEnum):
    """Where a batch stands, by OpenAI's words."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (self.FAILED, self.COMPLETED, self.EXPIRED, self.CANCELLED)


class BatchProblem(Record):
    """What is wrong with a batch's file; lines count from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Batch(Record):
    """One batch. `moments` are the times of its statuses; `base` is the address that its links begin with.

    Its jobs count for the key that asked for it, `key_id`. `last_line` is the number of its file's last line, with
    blank ones counted.
    """

    id: str
    account: str
    key_id: str | None = None
    endpoint: str
    input_file_id: str
    completion_window: str = "24h"
    status: BatchStatus = BatchStatus.VALIDATING
    base: str
    created_at: datetime
    expires_at: datetime
    output_life_seconds: int
    metadata: dict[str, str] = {}
    moments: dict[str, datetime] = {}
    total: int = 0
    last_line: int = 0
    completed: int = 0
    failed: int = 0
    failures: dict[str, int] = {}
    errors: tuple[BatchProblem, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None

    def moved(self, status: BatchStatus, at: datetime, **changes: Any) -> Batch:
        """The batch at another status."""
        return self.model_copy(update={"status": status, "moments": {**self.moments, status: at}, **changes})
