"""A job watched until it has ended, for the streams of all faces: each look at it, and each silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from omni_jobs.api.service import Service
from omni_jobs.api.streams import KEEP_ALIVE_SECONDS
from omni_jobs.api.waiting import listening
from omni_jobs.errors import NotFound
from omni_jobs.schemas import Job


async def followed(service: Service, job: Job) -> AsyncIterator[Job | None]:
    """The job whenever it may have news, the last time when it has ended; None when it was silent for long.

    Ends early when the job is deleted, the server stops, or a stream may last no longer.
    """
    traffic = service.traffic
    traffic.open_streams += 1
    ends = time.monotonic() + service.settings.stream_seconds
    spoke = time.monotonic()
    try:
        # Something at once: proxies hold back an answer of which they have seen nothing.
        yield None
        async with listening(service.store, job.account, job.id) as bell:
            while time.monotonic() < ends and not traffic.is_closing:
                job = await asyncio.to_thread(service.store.get, job.account, job.id)
                yield job
                if job.is_finished:
                    return
                if time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
                    spoke = time.monotonic()
                    yield None
                await bell.wait(max(0.0, ends - time.monotonic()))
    except NotFound:
        return
    finally:
        traffic.open_streams -= 1
