"""All jobs that match a filter: counted, called off, tried again, a bounded part in each request.

An answer with a cursor is not the last: the next request goes on there. New jobs are never met on the way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse, Response

from omni_jobs import queue
from omni_jobs.api import problems
from omni_jobs.api.jobs import Wanted, cursor_sought, retried
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import OmniJobsError, QuotaExceeded, Unavailable
from omni_jobs.schemas import Job, JobFilter, Status
from omni_jobs.schemas.job import Strict, Whole
from omni_jobs.schemas.record import Record
from omni_jobs.store.listing import cursor_after

router = APIRouter(tags=["jobs"])
#: Jobs that one request changes at most.
MOST = 200
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Matching(Strict):
    """A filter, and the cursor of the answer before."""

    status: Status
    model: Word | None = None
    tag: Word | None = None
    error_code: Word | None = None
    cursor: Annotated[str, StringConstraints(max_length=400)] | None = None
    limit: Whole = Field(100, ge=1, le=MOST)

    @property
    def filter(self) -> JobFilter:
        """Which jobs are meant."""
        return JobFilter(self.status, self.model, self.tag, self.error_code)


class Open(Matching):
    """Jobs that can be called off."""

    status: Literal[Status.QUEUED, Status.RUNNING]


class Ended(Matching):
    """Jobs that can be tried again."""

    status: Literal[Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED]


class Swept(Record):
    """How many jobs were changed, and by code how many could not be."""

    done: int
    refused: dict[str, int]
    cursor: str | None = None


class JobCount(Record):
    """How many jobs match; with a cursor, among those looked at so far."""

    count: int
    cursor: str | None = None


@router.get("/v1/job_count", response_model=JobCount, responses=problems.documented(404))
async def count(
    account: Account,
    service: Served,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """How many jobs match. With more than a status the next 1000 jobs are looked at, and a cursor may follow."""
    with cursor_sought(cursor):
        found, following = await asyncio.to_thread(service.store.count, account, wanted, cursor=cursor)
    return JSONResponse(JobCount(count=found, cursor=following).model_dump(exclude_none=True))


@router.post("/v1/cancellations/matching", response_model=Swept, responses=problems.documented(404, 413))
async def cancel_matching(account: Account, service: Served, wanted: Open) -> Response:
    """Call off jobs that match, newest first, up to `limit` of them."""

    def cancel(job: Job) -> None:
        queue.cancel(service.store, account, job.id)

    return await asyncio.to_thread(_swept, service, account, wanted, cancel)


@router.post("/v1/retries/matching", response_model=Swept, responses=problems.documented(404, 413, 429))
async def retry_matching(account: Account, service: Served, wanted: Ended) -> Response:
    """Submit finished jobs that match again, newest first, up to `limit` of them, each as a new job.

    Where the queue is full or a limit is reached, the answer's cursor is before the job that was refused.
    """

    def retry(job: Job) -> None:
        retried(service, account, job.id)

    return await asyncio.to_thread(_swept, service, account, wanted, retry)


def _swept(service: Service, account: str, wanted: Matching, act: Callable[[Job], None]) -> Response:
    # Read as a whole first: what is done changes the index that is read.
    with cursor_sought(wanted.cursor):
        jobs, following = service.store.list(account, wanted.filter, cursor=wanted.cursor, limit=wanted.limit)
    refused: Counter[str] = Counter()
    for place, job in enumerate(jobs):
        try:
            act(job)
        except (QuotaExceeded, Unavailable):
            if place == 0:
                raise
            jobs, following = jobs[:place], cursor_after(jobs[place - 1])
            break
        except OmniJobsError as error:
            refused[error.code] += 1
    swept = Swept(done=len(jobs) - refused.total(), refused=dict(refused), cursor=following)
    return JSONResponse(swept.model_dump(exclude_none=True))
