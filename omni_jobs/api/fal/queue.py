"""The fal queue's endpoints below `/fal/queue`, and those that answer at once below `/fal/run`.

The clients speak https only, so every address in an answer is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, Response

from omni_jobs import queue
from omni_jobs.api import sse
from omni_jobs.api.events import EventStreamResponse
from omni_jobs.api.faces.asking import card_for, ended, face_router
from omni_jobs.api.faces.failures import answer
from omni_jobs.api.faces.following import followed
from omni_jobs.api.faces.forms import json_object
from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.fal.inputs import job_of, picked_input, pictures_of
from omni_jobs.api.jobs import submit_one
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import IllegalMove, InvalidRequest, NotFound
from omni_jobs.faces.fal import result_of, status_of
from omni_jobs.faces.outcome import error_of
from omni_jobs.schemas import Job, ModelCard, Status

router = face_router("fal", "/fal")
JobId = Annotated[str, Path(pattern=r"^job_[0-9a-f]{1,64}$")]
REQUEST_HEADER = "x-fal-request-id"


@router.get("/queue/{app:path}/requests/{job_id}/status")
async def status(
    request: Request, account: Account, service: Served, app: str, job_id: JobId, logs: bool = False
) -> Response:
    """How a request stands: 202 until it has ended."""
    job = await asyncio.to_thread(service.store.get, account, job_id)
    told = await asyncio.to_thread(_status, service, job, _url(request, service, app, job_id), logs)
    return JSONResponse(told, 200 if job.is_finished else 202, {REQUEST_HEADER: job_id})


@router.get("/queue/{app:path}/requests/{job_id}/status/stream")
async def status_stream(
    request: Request, account: Account, service: Served, app: str, job_id: JobId, logs: bool = False
) -> Response:
    """How a request stands, told whenever it changes, until it has ended."""
    job = await asyncio.to_thread(service.store.get, account, job_id)
    statuses = _statuses(service, job, _url(request, service, app, job_id), logs)
    return EventStreamResponse(statuses, headers={REQUEST_HEADER: job_id})


@router.get("/queue/{app:path}/requests/{job_id}")
async def result(request: Request, account: Account, service: Served, app: str, job_id: JobId) -> Response:
    """What a request made; its error, if it ended with one."""
    job = await asyncio.to_thread(service.store.get, account, job_id)
    if not job.is_finished:
        raise InvalidRequest(f"Request {job_id} is still in progress.", remedy="Ask for its status first.")
    return _result(request, service, job)


@router.put("/queue/{app:path}/requests/{job_id}/cancel")
async def cancel(account: Account, service: Served, app: str, job_id: JobId) -> Response:
    """Call a request off."""
    try:
        await asyncio.to_thread(queue.cancel, service.store, account, job_id)
    except NotFound:
        return JSONResponse({"status": "NOT_FOUND"}, 404)
    except IllegalMove:
        return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
    return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)


@router.post("/queue/{app:path}")
async def submit(
    request: Request,
    account: Account,
    service: Served,
    app: str,
    fal_webhook: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Put a request into the queue."""
    job = await _submitted(request, account, service, app, fal_webhook)
    told = await asyncio.to_thread(_status, service, job, _url(request, service, app, job.id), False)
    return JSONResponse(told | {"gateway_request_id": job.id}, headers={REQUEST_HEADER: job.id})


@router.post("/run/{app:path}")
async def run(request: Request, account: Account, service: Served, app: str) -> Response:
    """Draw and wait for it; below `/stream`, told on the way."""
    streams = app.endswith("/stream")
    job = await _submitted(request, account, service, app.removesuffix("/stream"), None)
    if streams:
        return EventStreamResponse(
            _running(service, job, _base(request, service)), headers={REQUEST_HEADER: job.id}
        )
    return _result(request, service, await ended(service, job))


async def _submitted(request: Request, account: str, service: Service, app: str, webhook: str | None) -> Job:
    body = await json_object(request)
    card = await _card(service, app)
    picked = picked_input(body, card)
    images, mask = pictures_of(picked)
    headers = request.headers
    # Looked at before anything is stored, with names in the place of ids.
    job_of(picked, card, images=[one.field for one in images], mask=mask.field if mask else None, headers=headers)
    base = service.base(request)
    ids = await stored_all(service, account, images, base)
    masks = await stored_all(service, account, [mask] if mask else [], base)
    wanted = job_of(picked, card, images=ids, mask=next(iter(masks), None), webhook=webhook, headers=headers)
    return (await asyncio.to_thread(submit_one, account, service, wanted))[0]


async def _card(service: Service, app: str) -> ModelCard:
    """The model of an app: `owner/name`, or `owner/name/variant` where the operator gave that a name."""
    owner_and_name = "/".join(app.split("/")[:2])
    return await card_for(service, app if app in service.aliases else owner_and_name)


def _base(request: Request, service: Service) -> str:
    base = service.base(request)
    return base if service.settings.public_url else base.replace("http://", "https://", 1)


def _url(request: Request, service: Service, app: str, job_id: str) -> str:
    return f"{_base(request, service)}/fal/queue/{app}/requests/{job_id}"


def _status(service: Service, job: Job, url: str, has_logs: bool) -> dict[str, Any]:
    waiting = service.store.waiting(job.account, job.id) if job.status is Status.QUEUED else None
    return status_of(job, url, position=waiting.position if waiting else 0, has_logs=has_logs)


def _result(request: Request, service: Service, job: Job) -> Response:
    error = error_of(job)
    if error is None:
        return JSONResponse(
            result_of(service.links.sign_all(job, _base(request, service))), headers={REQUEST_HEADER: job.id}
        )
    told = answer(request, job, error)
    told.headers[REQUEST_HEADER] = job.id
    told.headers["x-fal-error-type"] = error.code
    told.headers["x-fal-retryable"] = "1" if error.retryable else "0"
    return told


async def _statuses(service: Service, job: Job, url: str, has_logs: bool) -> AsyncIterator[str]:
    told: dict[str, Any] = {}
    async for now in followed(service, job):
        if now is None:
            yield sse.KEEP_ALIVE
            continue
        news = await asyncio.to_thread(_status, service, now, url, has_logs)
        if news != told:
            told = news
            yield sse.data(news)


async def _running(service: Service, job: Job, base: str) -> AsyncIterator[str]:
    told = ""
    async for now in followed(service, job):
        if now is None:
            yield sse.KEEP_ALIVE
        elif now.is_finished:
            signed = service.links.sign_all(now, base)
            yield sse.data(result_of(signed) if error_of(now) is None else status_of(now, ""))
        elif now.progress is not None and (news := now.progress.model_dump_json(exclude_none=True)) != told:
            told = news
            yield sse.data({"progress": now.progress.model_dump(mode="json", exclude_none=True)})
