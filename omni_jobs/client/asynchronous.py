"""The client's core: what producers do, as coroutines over one transport. `Client` is its blocking face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omni_jobs.client.transport import ClientOptions, Page, Transport, open_transport
from omni_jobs.errors import InvalidRequest, JobFailed
from omni_jobs.schemas import (
    Artifact,
    Event,
    EventType,
    Job,
    JobFilter,
    JobRequest,
    ModelCard,
    Progress,
    Status,
    parse_job,
)
from omni_jobs.settings import load_settings

#: A picture as a producer has it: its path, or its bytes.
Picture = Path | str | bytes
OnProgress = Callable[[Progress], None]


class AsyncClient:
    """Submits, watches and collects jobs. One event loop; safe for any number of tasks."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        """Nothing is sent before the first call.

        Args:
            url: redis://, rediss://, unix:// or sentinel://; the settings' `api_url`, else `redis_url`, if absent.
            options: fields of `ClientOptions`: account, api_key, key_prefix, storage_url, ...

        Raises:
            Misconfigured: no transport for this address.
        """
        self._transport: Transport = open_transport(url or _default_url(), ClientOptions(**options))

    async def submit(self, job: JobRequest | Mapping[str, Any] | None = None, /, **fields: Any) -> Job:
        """Submits one job, given whole or by the fields of the native job.

        `images`, `mask` and `inputs` may hold ids of uploads and artifacts, and also paths and bytes, which are
        uploaded.

        Raises:
            InvalidRequest: a field, its value and the remedy. Unavailable: try again (with an idempotency key).
        """
        given = _as_mapping(job, fields)
        for name in ("images", "mask"):
            if given.get(name) is not None:
                given[name] = await self._upload_all(given[name])
        if isinstance(given.get("inputs"), Mapping):
            given["inputs"] = {name: await self._upload_all(ids) for name, ids in given["inputs"].items()}
        return await self._transport.submit(parse_job(given).model_dump(mode="json", exclude_unset=True))

    async def get(self, job: Job | str) -> Job:
        """The job as it stands; while it is queued, `waiting` says why. Raises NotFound."""
        return await self._transport.get(_id(job))

    async def wait(
        self,
        job: Job | str,
        *,
        timeout_seconds: float | None = None,
        on_progress: OnProgress | None = None,
        check: bool = True,
    ) -> Job:
        """Waits until the job has ended.

        Raises:
            JobFailed: it ended failed, canceled or expired, unless `check` is False.
            TimeoutError: it has not ended in time; it goes on.
        """
        async with asyncio.timeout(timeout_seconds):
            async for event in self._transport.events(_id(job), 0):
                if event.type is EventType.PROGRESS and on_progress is not None:
                    on_progress(Progress.model_validate(event.data))
        ended = await self.get(job)
        if check and ended.status is not Status.SUCCEEDED:
            why = f"{ended.error.code}: {ended.error.message}" if ended.error else ended.status.sentence
            raise JobFailed(f"Job {ended.id} {ended.status}. {why}", job=ended)
        return ended

    def events(self, job: Job | str, after: int = 0) -> AsyncIterator[Event]:
        """The job's events after a sequence number, live, with progress between them; ends when the job has."""
        return self._transport.events(_id(job), after)

    async def cancel(self, job: Job | str) -> Job:
        """Calls the job off at once. Raises IllegalMove if it has ended otherwise, NotFound."""
        return await self._transport.cancel(_id(job))

    async def retry(self, job: Job | str) -> Job:
        """Submits a finished job again as a new one. Raises IllegalMove, NotFound."""
        return await self._transport.retry(_id(job))

    async def download(self, artifact: Artifact) -> bytes:
        """The bytes of one output. Raises NotFound, StorageUnavailable."""
        return await self._transport.download(artifact)

    async def upload(self, picture: Picture, *, filename: str | None = None) -> str:
        """Stores a picture; the id goes into `images` or `mask`. Raises InvalidMedia, StorageUnavailable."""
        if isinstance(picture, bytes):
            return (await self._transport.upload(picture, filename)).id
        path = Path(picture)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read: {error.strerror}.", value=str(path)) from error
        return (await self._transport.upload(data, filename or path.name)).id

    async def models(self) -> list[ModelCard]:
        """What can be asked for."""
        return await self._transport.models()

    async def list(
        self,
        *,
        status: Status | str | None = None,
        model: str | None = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of the account's jobs, newest first; with `error_code` those that failed so."""
        wanted = JobFilter(None if status is None else Status(status), model, tag, error_code)
        return await self._transport.page(wanted, cursor=cursor, limit=limit)

    async def close(self) -> None:
        """Releases connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _upload_all(self, given: Any) -> Any:
        if isinstance(given, bytes | Path):
            return await self.upload(given)
        if isinstance(given, str):
            return given
        return [await self._upload_all(one) for one in given]


def _default_url() -> str:
    settings = load_settings()
    return settings.api_url or settings.redis_url.get_secret_value()


def _as_mapping(job: JobRequest | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(job, JobRequest):
        return job.model_dump(mode="json", exclude_unset=True) | dict(fields)
    return dict(job or {}) | dict(fields)


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id
