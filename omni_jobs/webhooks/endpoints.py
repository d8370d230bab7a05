"""What is known of a webhook URL: secrets of its own, and whether it was disabled.

Registered by the API; the courier reads it before each try and disables a URL that answers 410 Gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from omni_jobs.errors import NotFound, QuotaExceeded
from omni_jobs.names import new_id
from omni_jobs.schemas.job import WebhookEvent
from omni_jobs.schemas.record import Record
from omni_jobs.store import JobStore
from omni_jobs.store.scripts import translated
from omni_jobs.webhooks.signing import new_secret

#: Rows of an account, disabled URLs among them: each change and each list looks at all of them.
MOST = 1000
#: After a change of secret both sign for so long.
ROTATION = timedelta(hours=24)


class Endpoint(Record):
    """One URL of one account. `secrets` holds the present one first; `events` are those it takes, all if None."""

    id: str
    url: str
    created_at: datetime
    events: tuple[WebhookEvent, ...] | None = None
    secrets: tuple[str, ...] = ()
    rotated_at: datetime | None = None
    disabled_at: datetime | None = None
    reason: str | None = None

    def keys(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign now."""
        is_rotating = self.rotated_at is not None and now - self.rotated_at < ROTATION
        return self.secrets if is_rotating else self.secrets[:1]


class Endpoints:
    """The rows, one hash per account. Synchronous."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def all(self, account: str) -> list[Endpoint]:
        """All of an account, oldest first."""
        with translated():
            rows = self._store.redis.hvals(self._key(account))
        return sorted((Endpoint.model_validate_json(row) for row in rows), key=lambda one: one.id)

    def find(self, account: str, url: str) -> Endpoint | None:
        """The row of a URL, if there is one."""
        with translated():
            row = self._store.redis.hget(self._key(account), url)
        return None if row is None else Endpoint.model_validate_json(row)

    def get(self, account: str, endpoint_id: str) -> Endpoint:
        """One by its id. Raises NotFound."""
        for one in self.all(account):
            if one.id == endpoint_id:
                return one
        raise _unknown(endpoint_id)

    def register(self, account: str, url: str, events: tuple[WebhookEvent, ...] | None = None) -> Endpoint:
        """Gives a URL a secret of its own and says which events it takes.

        One that has a secret keeps it, and is enabled again. Raises QuotaExceeded: the account has too many.
        """

        def enabled(known: Endpoint | None) -> Endpoint:
            known = known or _new(url)
            secrets = known.secrets or (new_secret(),)
            changes = {"secrets": secrets, "events": events, "disabled_at": None, "reason": None}
            return known.model_copy(update=changes)

        return self._change(account, url, enabled)

    def take_events(self, account: str, endpoint_id: str, events: tuple[WebhookEvent, ...] | None) -> Endpoint:
        """Which events an endpoint takes from now on. Raises NotFound."""
        return self._change_known(account, endpoint_id, lambda known: known.model_copy(update={"events": events}))

    def rotate(self, account: str, endpoint_id: str) -> Endpoint:
        """A new secret; for a day the old one signs as well. Raises NotFound."""

        def rotated(known: Endpoint) -> Endpoint:
            secrets = (new_secret(), *known.secrets[:1])
            return known.model_copy(update={"secrets": secrets, "rotated_at": datetime.now(UTC)})

        return self._change_known(account, endpoint_id, rotated)

    def disable(self, account: str, url: str, reason: str) -> None:
        """No further event is sent to this URL. If all rows are registered, it is tried again."""
        facts = {"disabled_at": datetime.now(UTC), "reason": reason}
        with suppress(QuotaExceeded):
            self._change(account, url, lambda known: (known or _new(url)).model_copy(update=facts))

    def forget(self, account: str, endpoint_id: str) -> None:
        """Removes the row: the URL is signed for with the service's secret again. Raises NotFound."""
        known = self.get(account, endpoint_id)
        with translated():
            self._store.redis.hdel(self._key(account), known.url)

    def _change_known(self, account: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        def changed(known: Endpoint | None) -> Endpoint:
            if known is None or known.id != endpoint_id:
                raise _unknown(endpoint_id)
            return change(known)

        return self._change(account, self.get(account, endpoint_id).url, changed)

    def _change(self, account: str, url: str, change: Callable[[Endpoint | None], Endpoint]) -> Endpoint:
        """Writes a row anew from what it was; again, if another changed the account's rows meanwhile."""
        place = self._key(account)

        def write(pipeline: Any) -> Endpoint:
            row = pipeline.hget(place, url)
            is_full = row is None and pipeline.hlen(place) >= MOST
            given_way = _dispensable(pipeline.hvals(place)) if is_full else None
            changed = change(None if row is None else Endpoint.model_validate_json(row))
            pipeline.multi()
            if given_way is not None:
                pipeline.hdel(place, given_way.url)
            pipeline.hset(place, url, changed.model_dump_json(exclude_none=True))
            return changed

        with translated():
            changed: Endpoint = self._store.redis.transaction(write, place, value_from_callable=True)
        return changed

    def _key(self, account: str) -> str:
        return self._store.keys("endpoints", account)


def _dispensable(rows: Iterable[bytes]) -> Endpoint:
    """The row that gives way when there is no room: of a URL that nobody registered, the longest disabled.

    Raises QuotaExceeded: all are registered.
    """
    unregistered = [one for row in rows if not (one := Endpoint.model_validate_json(row)).secrets]
    if not unregistered:
        raise QuotaExceeded(
            f"The account has {MOST} webhook endpoints.", field="url", remedy="Forget those of no use."
        )
    return min(unregistered, key=lambda one: one.disabled_at or one.created_at)


def _new(url: str) -> Endpoint:
    return Endpoint(id=new_id("whe"), url=url, created_at=datetime.now(UTC))


def _unknown(endpoint_id: str) -> NotFound:
    return NotFound(f"There is no webhook endpoint {endpoint_id}.", field="endpoint_id", value=endpoint_id)
