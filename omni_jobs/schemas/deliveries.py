"""The log of webhooks: each delivery with its tries, as its owner reads it. Written by the store and the courier.

A URL is shown without its query, which may hold a receiver's token or a presigned link's signature.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from omni_jobs.schemas.record import Record

#: The type of a test event; it concerns no job.
TEST = "webhook.test"


class DeliveryState(StrEnum):
    """`waiting`: for its first or next try. `delivered`: the receiver said 2xx. `given_up`: no further try."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Attempt(Record):
    """One try that reached its end: the HTTP status, or why there was none."""

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None


class DeliveryView(Record):
    """One delivery. `tries` counts those of a courier that died as well; `attempts` are the last 20 that ended.

    `sequence` is that of the job's event, or the index of a copied output. `created_at` is the event's time.
    """

    id: str
    type: str
    job_id: str | None = None
    sequence: int
    url: str
    state: DeliveryState
    created_at: datetime
    tries: int
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None


def without_query(url: str) -> str:
    """A URL that may be shown: a query is hinted at."""
    place, mark, _ = url.partition("?")
    return place + ("?..." if mark else "")
