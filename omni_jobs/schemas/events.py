"""Facts about a job. State and artifact events are numbered, durable and gap-free; progress is latest-only.

Written by the store's Lua in the same atomic unit as the move; read by SSE, `Client.events` and the courier.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from omni_jobs.schemas.lifecycle import Status
from omni_jobs.schemas.record import Record


class EventType(StrEnum):
    """The names that webhooks and SSE carry."""

    QUEUED = "job.queued"
    STARTED = "job.started"
    RESUMED = "job.resumed"
    OUTPUT = "job.output"
    PROGRESS = "job.progress"
    PREVIEW = "job.preview"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"
    EXPIRED = "job.expired"

    @property
    def is_durable(self) -> bool:
        return self not in (EventType.PROGRESS, EventType.PREVIEW)

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_EVENTS.values()


TERMINAL_EVENTS: dict[Status, EventType] = {
    Status.SUCCEEDED: EventType.SUCCEEDED,
    Status.FAILED: EventType.FAILED,
    Status.CANCELED: EventType.CANCELED,
    Status.EXPIRED: EventType.EXPIRED,
}


class Event(Record):
    """`sequence` counts a job's durable events from 1; it is 0 for droppable ones."""

    job_id: str
    account: str
    sequence: int
    type: EventType
    at: datetime
    data: dict[str, Any]
