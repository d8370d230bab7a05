"""How a client reaches the service: one protocol, chosen by the scheme of the address.

A new way in is a row in `TRANSPORTS`: "module:factory", called with (address, options).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import Artifact, Event, Job, JobFilter, ModelCard, Upload

TRANSPORTS: dict[str, str] = {
    "http": "omni_jobs.client.http:HttpTransport",
    "https": "omni_jobs.client.http:HttpTransport",
    "redis": "omni_jobs.client.redis_transport:RedisTransport",
    "rediss": "omni_jobs.client.redis_transport:RedisTransport",
    "unix": "omni_jobs.client.redis_transport:RedisTransport",
    "sentinel": "omni_jobs.client.redis_transport:RedisTransport",
}


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What a client was given beside the address; None means: from the environment, else the default.

    `storage_*` are for clients on Redis, which read and write objects themselves; `api_key` for those on HTTP.
    """

    account: str | None = None
    api_key: str | None = None
    key_prefix: str | None = None
    storage_url: str | None = None
    storage_access_key: str | None = None
    storage_secret_key: str | None = None


class Page(NamedTuple):
    """Some jobs, newest first; `cursor` continues, None at the end."""

    jobs: list[Job]
    cursor: str | None


class Transport(Protocol):
    """What a way into the service offers. All of it raises errors of `omni_jobs.errors` only."""

    async def submit(self, job: Mapping[str, Any]) -> Job:
        """Submit a job's JSON. Raises InvalidRequest, Unavailable."""
        ...

    async def get(self, job_id: str) -> Job:
        """The job now, with `waiting` while it is queued. Raises NotFound."""
        ...

    async def page(self, wanted: JobFilter, *, cursor: str | None, limit: int) -> Page:
        """A page of the account's jobs."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """Call a job off; one already canceled is returned. Raises IllegalMove, NotFound."""
        ...

    async def retry(self, job_id: str) -> Job:
        """A new job like that finished one. Raises IllegalMove, NotFound."""
        ...

    def events(self, job_id: str, after: int) -> AsyncIterator[Event]:
        """Durable events after a sequence number, and progress between them; ends after the terminal event."""
        ...

    async def download(self, artifact: Artifact) -> bytes:
        """An artifact's bytes, digest checked. Raises NotFound, StorageUnavailable."""
        ...

    async def upload(self, data: bytes, filename: str | None) -> Upload:
        """Store a picture for use in `images` or `mask`. Raises InvalidMedia, StorageUnavailable."""
        ...

    async def models(self) -> list[ModelCard]:
        """The catalogue."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def open_transport(address: str, options: ClientOptions) -> Transport:
    """The transport for an address.

    Raises:
        Misconfigured: no transport for this scheme, or what it needs is not installed.
    """
    scheme = urlsplit(address).scheme
    if scheme not in TRANSPORTS:
        raise Misconfigured(
            f"There is no way in by {scheme or 'an address without scheme'}.",
            field="url",
            remedy=f"Use one of {', '.join(f'{known}://' for known in sorted(TRANSPORTS))}.",
        )
    module, _, factory = TRANSPORTS[scheme].partition(":")
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"A client on {scheme}:// needs the package {error.name}.",
            field="url",
            remedy="pip install 'omni-jobs[server]'",
        ) from error
    transport: Transport = getattr(loaded, factory)(address, options)
    return transport
