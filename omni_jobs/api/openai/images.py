"""OpenAI's image endpoints: a job submitted and waited for, answered with pictures, links or a stream."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence

from fastapi import Request
from starlette.responses import JSONResponse, Response

from omni_jobs.api import bodies
from omni_jobs.api.events import EventStreamResponse
from omni_jobs.api.faces.asking import ended, face_router
from omni_jobs.api.faces.attaching import Try, try_of
from omni_jobs.api.faces.failures import answer
from omni_jobs.api.faces.forms import asked_of
from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.openai.image_answers import images_response
from omni_jobs.api.openai.image_fields import (
    EDIT,
    GENERATION,
    Answering,
    answering,
    job_of,
    json_pictures,
)
from omni_jobs.api.openai.image_stream import image_stream
from omni_jobs.api.openai.masks import white_mask
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.faces.outcome import error_of, media_of
from omni_jobs.schemas import Job, JobRequest
from omni_jobs.uploads import storage_errors_translated

router = face_router("openai: images")
EDITS_PATH = "/v1/images/edits"
JOB_HEADER = "x-omni-job"


@router.post("/v1/images/generations")
async def generate(request: Request, account: Account, service: Served) -> Response:
    """Draw pictures and wait for them, as OpenAI's clients ask for it."""
    asked_for = await asked_of(request, service, GENERATION, "image")
    card, picked = asked_for.card, asked_for.picked
    asked = answering(picked)
    key = bodies.idempotency_key(request.headers)
    wanted = job_of(picked, card, idempotency_key=key)

    async def make() -> JobRequest:
        return wanted

    attempt = try_of(request, service, account, picked)
    return await _answer(request, service, asked, attempt, await attempt.job(make))


@router.post(EDITS_PATH)
async def edit(request: Request, account: Account, service: Served) -> Response:
    """Change pictures and wait for the result; a form with files, or JSON with references."""
    asked_for = await asked_of(request, service, EDIT, "image", ("image", "images", "mask"))
    card, picked = asked_for.card, asked_for.picked
    images, mask = json_pictures(picked)
    images += asked_for.files_of("image", "images")
    mask = next(iter(asked_for.files_of("mask")), mask)
    asked = answering(picked)
    key = bodies.idempotency_key(request.headers)
    base = service.base(request)
    # Looked at before anything is stored, with names in the place of ids.
    job_of(picked, card, images=[one.field for one in images], mask=mask.field if mask else None, is_edit=True)

    async def make() -> JobRequest:
        ids = await stored_all(service, account, images, base, key)
        white = [await white_mask(service, account, mask, base)] if mask else []
        masks = await stored_all(service, account, white, base, key)
        return job_of(picked, card, images=ids, mask=next(iter(masks), None), is_edit=True, idempotency_key=key)

    said = {name: value for name, value in picked.items() if name not in ("images", "image", "mask")}
    attempt = try_of(request, service, account, said, [*images, *([mask] if mask else [])])
    return await _answer(request, service, asked, attempt, await attempt.job(make))


async def _answer(request: Request, service: Service, asked: Answering, attempt: Try, job: Job) -> Response:
    if asked.is_stream:
        return EventStreamResponse(_streamed(request, service, asked, attempt, job))
    job = await ended(service, job)
    error = error_of(job)
    if error is not None:
        return answer(request, job, error)
    pictures: Sequence[str | None]
    if asked.as_url:
        job, pictures = service.links.sign_all(job, service.base(request)), [None] * len(media_of(job))
    else:
        pictures = await asyncio.to_thread(_contents, service, job)
    await attempt.answered(request, job)
    return JSONResponse(images_response(job, pictures), headers={JOB_HEADER: job.id})


async def _streamed(
    request: Request, service: Service, asked: Answering, attempt: Try, job: Job
) -> AsyncIterator[str]:
    async for text in image_stream(service, job, asked.partial_images):
        yield text
    await attempt.answered(request, job)


def _contents(service: Service, job: Job) -> list[str]:
    with storage_errors_translated():
        return [base64.b64encode(service.objects.get(one.key)).decode() for one in media_of(job)]
