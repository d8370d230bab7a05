"""The same client for code without an event loop: its own loop in a thread, and every method waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from omni_jobs.client.asynchronous import AsyncClient, OnProgress, Picture
from omni_jobs.client.transport import Page
from omni_jobs.schemas import Artifact, Event, Job, JobRequest, ModelCard, Status

Result = TypeVar("Result")


class Client:
    """`AsyncClient` with blocking methods; safe for threads."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        """As `AsyncClient`."""
        self._core = AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="omni-jobs-client", daemon=True)
        self._thread.start()

    def submit(self, job: JobRequest | Mapping[str, Any] | None = None, /, **fields: Any) -> Job:
        """As `AsyncClient.submit`."""
        return self._run(self._core.submit(job, **fields))

    def get(self, job: Job | str) -> Job:
        """As `AsyncClient.get`."""
        return self._run(self._core.get(job))

    def wait(
        self,
        job: Job | str,
        *,
        timeout_seconds: float | None = None,
        on_progress: OnProgress | None = None,
        check: bool = True,
    ) -> Job:
        """As `AsyncClient.wait`; `on_progress` is called in the client's thread."""
        return self._run(
            self._core.wait(job, timeout_seconds=timeout_seconds, on_progress=on_progress, check=check)
        )

    def events(self, job: Job | str, after: int = 0) -> Iterator[Event]:
        """As `AsyncClient.events`."""
        events = self._core.events(job, after)
        try:
            while True:
                yield self._run(_next(events))
        except _NoMore:
            return
        finally:
            self._run(_close(events))

    def cancel(self, job: Job | str) -> Job:
        """As `AsyncClient.cancel`."""
        return self._run(self._core.cancel(job))

    def retry(self, job: Job | str) -> Job:
        """As `AsyncClient.retry`."""
        return self._run(self._core.retry(job))

    def download(self, artifact: Artifact) -> bytes:
        """As `AsyncClient.download`."""
        return self._run(self._core.download(artifact))

    def upload(self, picture: Picture, *, filename: str | None = None) -> str:
        """As `AsyncClient.upload`."""
        return self._run(self._core.upload(picture, filename=filename))

    def models(self) -> list[ModelCard]:
        """As `AsyncClient.models`."""
        return self._run(self._core.models())

    def list(
        self,
        *,
        status: Status | str | None = None,
        model: str | None = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """As `AsyncClient.list`."""
        filters = {"model": model, "tag": tag, "error_code": error_code}
        return self._run(self._core.list(status=status, **filters, cursor=cursor, limit=limit))

    def close(self) -> None:
        """Releases connections and ends the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._core.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _NoMore(Exception):
    """StopAsyncIteration cannot pass through a future."""


async def _next(events: Any) -> Event:
    try:
        event: Event = await anext(events)
    except StopAsyncIteration:
        raise _NoMore from None
    return event


async def _close(events: Any) -> None:
    await events.aclose()
