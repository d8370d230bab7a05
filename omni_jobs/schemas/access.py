"""Who may ask for what: an API key as everybody may see it, and its scopes. The secret half is shown once.

The store keeps a digest of a key (`store/keyring.py`); the API turns a request's key into a `Caller`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from pydantic import Field

from omni_jobs.schemas.record import Record

#: A key's text: a word by which scanners find leaked ones, the public id, 160 random bits.
KEY_TEXT = re.compile(r"omni_([0-9a-f]{12})_([0-9a-f]{40})")

#: A key that shall live longer has no lifetime.
LONGEST_LIFETIME = timedelta(days=10 * 365)


class Scope(StrEnum):
    """What a key may do. `admin` may do all, also what concerns other accounts or the whole pool."""

    READ = "read"
    SUBMIT = "submit"
    METRICS = "metrics"
    ADMIN = "admin"


class Limits(Record):
    """How much an account, or one key of it, may take; None is without limit. Days are those of UTC."""

    requests_per_minute: int | None = Field(None, ge=0)
    queued_jobs: int | None = Field(None, ge=0)
    device_seconds_per_day: float | None = Field(None, ge=0)
    #: Uploads and outputs together.
    bytes_per_day: int | None = Field(None, ge=0)


class Usage(Record):
    """What an account, or one key of it, used on a day of UTC. Jobs count when submitted and when they end."""

    day: date
    requests: int = 0
    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    expired: int = 0
    outputs: int = 0
    device_seconds: float = 0.0
    bytes: int = 0


class ApiKey(Record):
    """A key without its secret. `used_at` is at most a minute late."""

    id: str
    account: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    expires_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """`live`, `expired` or `revoked`; only a live one is admitted."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "live"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit of requests after this one; it is full again after `reset_seconds`."""

    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. `key_id` is None without keys and for the operator's own key."""

    account: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    #: What is left of the limit of requests, if there is one.
    allowance: Allowance | None = None

    def may(self, scope: Scope) -> bool:
        """Whether this caller has a scope, `admin` having all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def new_key_text() -> str:
    """The text of a new key: what its owner sends, and nobody can derive from what is stored."""
    return f"omni_{secrets.token_hex(6)}_{secrets.token_hex(20)}"


def key_id_of(text: str) -> str | None:
    """The public id in a key's text; None if it is not of our form."""
    match = KEY_TEXT.fullmatch(text)
    return match and f"key_{match[1]}"


def key_digest(text: str) -> str:
    """What is stored of a key. A plain hash is enough, since 160 random bits cannot be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()
