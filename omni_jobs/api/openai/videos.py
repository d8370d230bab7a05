"""OpenAI's video endpoints: a job is made, looked at, fetched, listed, deleted."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from omni_jobs.api.faces.asking import face_router
from omni_jobs.api.faces.attaching import try_of
from omni_jobs.api.faces.failures import answer
from omni_jobs.api.faces.forms import asked_of
from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.jobs import JobId
from omni_jobs.api.openai.files import listing, object_chunks
from omni_jobs.api.openai.image_fields import reference_given
from omni_jobs.api.openai.video_shapes import VIDEO, job_of, poll_after_ms, video_of
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.deletion import delete_job
from omni_jobs.errors import InvalidRequest, NotFound
from omni_jobs.faces.outcome import error_of, media_of
from omni_jobs.schemas import Job, JobFilter, JobRequest, Status
from omni_jobs.store.listing import cursor_after
from omni_jobs.uploads import storage_errors_translated

router = face_router("openai: videos")
PATH = "/v1/videos"
POLL_HEADER = "openai-poll-after-ms"


@router.post(PATH)
async def create(request: Request, account: Account, service: Served) -> Response:
    """Begin a video."""
    asked = await asked_of(request, service, VIDEO, "video", ("input_reference",))
    given = asked.files_of("input_reference")
    if "input_reference" in asked.picked:
        given.append(reference_given(asked.picked["input_reference"], "input_reference"))
    job_of(asked.picked, asked.card, images=[one.field for one in given])

    async def make() -> JobRequest:
        ids = await stored_all(service, account, given, service.base(request))
        return job_of(asked.picked, asked.card, images=ids)

    said = {name: value for name, value in asked.picked.items() if name != "input_reference"}
    attempt = try_of(request, service, account, said, given)
    job = await attempt.job(make)
    await attempt.answered(request, job)
    return await _shown(service, job)


@router.get(PATH)
async def page(
    account: Account,
    service: Served,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[str, Query(pattern="^desc$")] = "desc",
) -> Response:
    """The account's videos, newest first: the jobs of all models that make clips."""
    videos, has_more = await asyncio.to_thread(_page, service, account, after, limit)
    return JSONResponse(listing(videos, has_more))


@router.get(PATH + "/{job_id}")
async def get(account: Account, service: Served, job_id: JobId) -> Response:
    """The video as it stands, and when to look again."""
    return await _shown(service, await asyncio.to_thread(service.store.get, account, job_id))


@router.get(PATH + "/{job_id}/content")
async def content(
    request: Request, account: Account, service: Served, job_id: JobId, variant: str = "video"
) -> Response:
    """The video itself."""
    if variant != "video":
        raise InvalidRequest(f"`variant`: {variant!r} is not made here; take `video`.", field="variant")
    job = await asyncio.to_thread(service.store.get, account, job_id)
    error, made = error_of(job), next(iter(media_of(job)), None)
    if error is not None:
        return answer(request, job, error)
    if made is None:
        raise NotFound(f"Video {job_id} is not finished: it is {job.status}.", field="video_id", value=job_id)
    with storage_errors_translated():
        opened = await asyncio.to_thread(service.objects.open, made.key)
    headers = {"content-length": str(made.size_bytes)}
    return StreamingResponse(object_chunks(opened), headers=headers, media_type=made.content_type)


@router.delete(PATH + "/{job_id}")
async def delete(account: Account, service: Served, job_id: JobId) -> Response:
    """Delete a video; one that is not finished is called off first."""
    await asyncio.to_thread(delete_job, service.store, service.objects, account, job_id)
    return JSONResponse({"id": job_id, "object": "video.deleted", "deleted": True})


async def _shown(service: Service, job: Job) -> Response:
    eta = await asyncio.to_thread(_eta_seconds, service, job)
    return JSONResponse(video_of(job), headers={POLL_HEADER: str(poll_after_ms(eta))})


def _eta_seconds(service: Service, job: Job) -> float | None:
    if job.status is Status.QUEUED:
        waiting = service.estimates.waiting(job)
        return waiting.eta_seconds if waiting else None
    return job.progress.eta_seconds if job.progress else None


def _page(service: Service, account: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    models = [card.name for card in service.store.cards() if card.media == "video"]
    if not models:
        return [], False
    wanted = JobFilter(model=models)
    cursor = None if after is None else cursor_after(service.store.get(account, after))
    found: list[Job] = []
    while len(found) <= limit:
        jobs, cursor = service.store.list(account, wanted, cursor=cursor, limit=limit + 1 - len(found))
        found += jobs
        if cursor is None:
            break
    return [video_of(job) for job in found[:limit]], len(found) > limit
