"""Waiting for a job's news on the event loop: no thread is held, whoever waits for however long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omni_jobs.api.service import Service
from omni_jobs.schemas import Job
from omni_jobs.store import JobStore

#: A wake-up may be lost; then this is how late the news come.
LOOK_SECONDS = 2.0


class Bell:
    """Rings when the job said anything."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> None:
        """Sleeps until it rings, at most so long; a ring in between two waits counts for the next."""
        try:
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


@asynccontextmanager
async def listening(store: JobStore, account: str, job_id: str) -> AsyncIterator[Bell]:
    """A bell for one job. What happened before the block began is not rung for: look first."""
    bell = Bell()
    undo = store.on_wake(account, job_id, bell.ring)
    try:
        yield bell
    finally:
        undo()


async def until_finished(service: Service, job: Job, seconds: float) -> Job:
    """The job when it has ended, or as it stands after so long. Raises NotFound if it is deleted meanwhile."""
    store, loop = service.store, asyncio.get_running_loop()
    ends = loop.time() + min(seconds, service.settings.stream_seconds)
    async with listening(store, job.account, job.id) as bell:
        while True:
            job = await asyncio.to_thread(store.get, job.account, job.id)
            left = ends - loop.time()
            if job.is_finished or left <= 0 or service.traffic.is_closing:
                return job
            await bell.wait(left)
