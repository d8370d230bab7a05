"""Event streams (SSE): of one job, from a snapshot to its terminal event, and of all jobs of an account.

Both are resumable by `Last-Event-ID`. State events are durable and sent each once, in order; progress and previews
are the latest ones at the moment when the client takes them, so a slow client skips some and delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from omni_jobs.api import bodies, problems
from omni_jobs.api.jobs import JobId
from omni_jobs.api.service import Account, Served
from omni_jobs.api.streams import FeedStream, JobStream

router = APIRouter(tags=["events"])

SEQUENCE = r"^[0-9]{1,15}$"
FEED_CURSOR = r"^[0-9]{1,15}(-[0-9]{1,15})?$"
_FIELDS = {
    "event": {"type": "string", "description": "`snapshot`, or the event's type."},
    "data": {"type": "string", "contentMediaType": "application/json"},
    "id": {"type": "string", "description": "What `Last-Event-ID` resumes after; durable events only."},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "object", "required": ["event", "data"], "properties": _FIELDS}
            }
        },
    },
}


class EventStreamResponse(StreamingResponse):
    """An endless answer that no proxy may keep or collect."""

    media_type = "text/event-stream"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        own = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(content, status_code, {**own, **(headers or {})})


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=EventStreamResponse,
    responses={
        **_STREAM,
        204: {"description": "The terminal event was seen already; a browser stops asking."},
        **problems.documented(404),
    },
)
async def job_events(
    request: Request,
    account: Account,
    service: Served,
    job_id: JobId,
    after: Annotated[
        int | None, Query(ge=0, le=10**15, description="Begin after this sequence number; 0 for all events.")
    ] = None,
    last_event_id: Annotated[str | None, Header(pattern=SEQUENCE)] = None,
) -> Response:
    """The job's events: a snapshot, then what follows it, until the job has ended."""
    seen = int(last_event_id) if last_event_id is not None else after
    job = await asyncio.to_thread(service.store.get, account, job_id)
    if job.is_finished and seen is not None and seen >= job.sequence:
        return Response(status_code=204)
    return EventStreamResponse(JobStream(service, service.base(request)).run(job, seen))


@router.get(
    "/v1/jobs/{job_id}/history",
    response_model=bodies.EventPage,
    responses=problems.documented(404),
)
async def job_history(
    account: Account,
    service: Served,
    job_id: JobId,
    after: Annotated[int, Query(ge=0, le=10**15)] = 0,
) -> Response:
    """The job's durable events so far, as plain JSON."""
    events = await asyncio.to_thread(service.store.events, account, job_id, after)
    return JSONResponse({"events": [event.model_dump(mode="json", exclude_none=True) for event in events]})


@router.get("/v1/events", response_class=EventStreamResponse, responses={**_STREAM, **problems.documented()})
async def account_events(
    account: Account,
    service: Served,
    after: Annotated[
        str | None, Query(pattern=FEED_CURSOR, description="Begin after this event; 0-0 for all that are kept.")
    ] = None,
    last_event_id: Annotated[str | None, Header(pattern=FEED_CURSOR)] = None,
) -> Response:
    """The durable events of all jobs of the account, from now on or after a given one."""
    return EventStreamResponse(FeedStream(service).run(account, last_event_id or after))
