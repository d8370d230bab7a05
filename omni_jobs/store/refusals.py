"""Why a job was not created, from the words of `lua/create.lua`. Pure; called by `writing.py`."""

from __future__ import annotations

from typing import Any

from omni_jobs.errors import IdempotencyMismatch, IntakePaused, OmniJobsError, QueueFull
from omni_jobs.store.allowances import quota_error


def not_created(word: bytes, answer: list[Any], account: str, key: str | None) -> OmniJobsError:
    """The error that a reply of the script means; `key` is the idempotency key that was given."""
    match word:
        case b"full":
            return QueueFull(f"{answer[0]} jobs are queued, which is the limit.", remedy="Try again later.")
        case b"queued":
            return QueueFull(
                f"Account {account} has {answer[0]} queued jobs; its limit is {answer[1].decode()}.",
                remedy="Try again when some have begun.",
            )
        case b"quota":
            return quota_error(answer)
        case b"paused":
            return IntakePaused("No new jobs are taken at present.", remedy="Try again later.")
    return IdempotencyMismatch(
        f"`idempotency_key`: {key!r} was used by job {answer[0].decode()} with another body.",
        field="idempotency_key",
        value=key,
        remedy="Send the first body again, or use a new key.",
    )
