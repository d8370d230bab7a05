"""One submission of a client that retries by itself: a retry gets the job of the try before it.

The OpenAI clients send no idempotency key; they count their tries in a header. A key, if there is one, decides.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from omni_jobs.api import bodies
from omni_jobs.api.faces.pictures import Given
from omni_jobs.api.jobs import submit_one
from omni_jobs.api.service import Service
from omni_jobs.errors import NotFound
from omni_jobs.schemas import Job, JobRequest, Status

RETRY_COUNT = "x-stainless-retry-count"
#: More tries than any client makes.
MAX_LEVEL = 20


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a client: which request it repeats, and how often it did before."""

    service: Service
    account: str
    digest: str
    level: int

    async def job(self, make: Callable[[], Awaitable[JobRequest]]) -> Job:
        """The job of the try before this one, or a new one from `make`. Raises what submitting raises."""
        earlier = await asyncio.to_thread(self._earlier) if self.level else None
        job = earlier or await self._new(await make())
        await asyncio.to_thread(self.service.store.offer_retry, self.account, self.digest, self.level, job.id)
        return job

    async def _new(self, wanted: JobRequest) -> Job:
        job, _ = await asyncio.to_thread(submit_one, self.account, self.service, wanted)
        return job

    async def answered(self, request: Request, job: Job) -> None:
        """Called with the answer in hand: whoever still listens will not come again."""
        if not await request.is_disconnected():
            store = self.service.store
            await asyncio.to_thread(store.forget_retry, self.account, self.digest, self.level, job.id)

    def _earlier(self) -> Job | None:
        store = self.service.store
        job_id = store.take_retry(self.account, self.digest, self.level - 1)
        if job_id is None:
            return None
        try:
            job = store.get(self.account, job_id)
        except NotFound:
            return None
        # What ended without success is what the client wants tried again.
        return None if job.is_finished and job.status is not Status.SUCCEEDED else job


def try_of(
    request: Request, service: Service, account: str, body: dict[str, Any], given: Sequence[Given] = ()
) -> Try:
    """This request as one of several tries."""
    count = request.headers.get(RETRY_COUNT, "0")
    level = min(int(count), MAX_LEVEL) if count.isascii() and count.isdigit() else 0
    pictures = [(one.field, one.digest) for one in given]
    told = [request.url.path, bodies.idempotency_key(request.headers), body, pictures]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return Try(service, account, digest, level)
