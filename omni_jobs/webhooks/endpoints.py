"""What is known of a webhook URL: secrets of its own, and whether it was disabled.

Registered by the API; the courier reads it before each try and disables a URL that answers 410 Gone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omni_jobs.errors import NotFound
from omni_jobs.names import new_id
from omni_jobs.schemas.record import Record
from omni_jobs.store import JobStore
from omni_jobs.store.scripts import translated
from omni_jobs.webhooks.signing import new_secret

#: After a change of secret both sign for so long.
ROTATION = timedelta(hours=24)


class Endpoint(Record):
    """One URL of one account. `secrets` holds the present one first."""

    id: str
    url: str
    created_at: datetime
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
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.", field="endpoint_id", value=endpoint_id)

    def register(self, account: str, url: str) -> Endpoint:
        """Gives a URL a secret of its own; one that has one keeps it, and is enabled again."""
        known = self.find(account, url) or _new(url)
        secrets = known.secrets or (new_secret(),)
        return self._keep(account, known, secrets=secrets, disabled_at=None, reason=None)

    def rotate(self, account: str, endpoint_id: str) -> Endpoint:
        """A new secret; for a day the old one signs as well. Raises NotFound."""
        known = self.get(account, endpoint_id)
        secrets = (new_secret(), *known.secrets[:1])
        return self._keep(account, known, secrets=secrets, rotated_at=datetime.now(UTC))

    def disable(self, account: str, url: str, reason: str) -> None:
        """No further event is sent to this URL."""
        known = self.find(account, url) or _new(url)
        self._keep(account, known, disabled_at=datetime.now(UTC), reason=reason)

    def forget(self, account: str, endpoint_id: str) -> None:
        """Removes the row: the URL is signed for with the service's secret again. Raises NotFound."""
        known = self.get(account, endpoint_id)
        with translated():
            self._store.redis.hdel(self._key(account), known.url)

    def _keep(self, account: str, endpoint: Endpoint, **changes: object) -> Endpoint:
        changed = endpoint.model_copy(update=changes)
        with translated():
            self._store.redis.hset(self._key(account), changed.url, changed.model_dump_json(exclude_none=True))
        return changed

    def _key(self, account: str) -> str:
        return self._store.keys("endpoints", account)


def _new(url: str) -> Endpoint:
    return Endpoint(id=new_id("whe"), url=url, created_at=datetime.now(UTC))
