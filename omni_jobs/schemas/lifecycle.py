"""The lifecycle of a job as data: the statuses, a sentence for each, and the moves between them.

The store's one moving function and its Lua scripts take their rules from this table; `docs/lifecycle.md` is
generated from it. A finished job never runs again: a retry is a new job with `retry_of`.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        return not MOVES[self]

    @property
    def sentence(self) -> str:
        return SENTENCES[self]


class Phase(StrEnum):
    """What a running job is doing; announced with its progress."""

    LOADING = "loading"
    ENCODE = "encode"
    DENOISE = "denoise"
    DECODE = "decode"
    UPLOAD = "upload"


SENTENCES: dict[Status, str] = {
    Status.QUEUED: "Waits for a free slot of a worker that serves its model, or for its `not_before`.",
    Status.RUNNING: "Is leased to one worker; the attempt number fences every write.",
    Status.SUCCEEDED: "Its artifacts were verified in storage and committed with this move.",
    Status.FAILED: "Ended with an error that carries a code, a message and what to do.",
    Status.CANCELED: "Was canceled by its owner; a running attempt is dropped at its next call.",
    Status.EXPIRED: "Its deadline passed before any worker began it.",
}

MOVES: dict[Status, dict[Status, str]] = {
    Status.QUEUED: {
        Status.RUNNING: "claimed by a worker",
        Status.CANCELED: "canceled before it began",
        Status.FAILED: "no attempt is left, or nothing can ever run it",
        Status.EXPIRED: "its deadline passed before it began",
    },
    Status.RUNNING: {
        Status.SUCCEEDED: "outputs verified and committed",
        Status.FAILED: "the attempt failed for good",
        Status.CANCELED: "canceled while it ran",
        Status.QUEUED: "handed back, lease lost, or retried later",
    },
    Status.SUCCEEDED: {},
    Status.FAILED: {},
    Status.CANCELED: {},
    Status.EXPIRED: {},
}


def sources_of(target: Status) -> tuple[Status, ...]:
    """The statuses from which the table allows a move to `target`."""
    return tuple(source for source, targets in MOVES.items() if target in targets)
