"""OpenAI's image endpoints: a job submitted and waited for, answered with pictures, links or a stream."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from omni_jobs.api import bodies
from omni_jobs.api.events import EventStreamResponse
from omni_jobs.api.faces.asking import card_for, ended, face_router
from omni_jobs.api.faces.attaching import Try, try_of
from omni_jobs.api.faces.failures import answer
from omni_jobs.api.faces.fields import typed, unfolded
from omni_jobs.api.faces.pictures import Given, given_file, stored_all, with_bytes
from omni_jobs.api.openai.image_answers import images_response, outputs
from omni_jobs.api.openai.image_fields import (
    EDIT,
    MAX_IMAGES,
    Answering,
    answering,
    job_of,
    json_pictures,
    picked_edit,
    picked_generation,
)
from omni_jobs.api.openai.image_stream import image_stream
from omni_jobs.api.openai.masks import white_where_transparent
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import InvalidRequest
from omni_jobs.faces.outcome import error_of
from omni_jobs.schemas import Job, JobRequest, ModelCard
from omni_jobs.uploads import storage_errors_translated

router = face_router("openai: images")
EDITS_PATH = "/v1/images/edits"
MAX_FORM_FIELDS = 200
JOB_HEADER = "x-omni-job"


@router.post("/v1/images/generations")
async def generate(request: Request, account: Account, service: Served) -> Response:
    """Draw pictures and wait for them, as OpenAI's clients ask for it."""
    body = await _object(request)
    card = await card_for(service, body.get("model"), "image")
    picked = picked_generation(body, card)
    asked = answering(picked)
    key = bodies.idempotency_key(request.headers)
    wanted = job_of(picked, card, idempotency_key=key)

    async def make() -> JobRequest:
        return wanted

    attempt = try_of(request, service, account, body)
    return await _answer(request, service, asked, attempt, await attempt.job(make))


@router.post(EDITS_PATH)
async def edit(request: Request, account: Account, service: Served) -> Response:
    """Change pictures and wait for the result; a form with files, or JSON with references."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        picked, card, images, mask = await _form(request, service)
    else:
        body = await _object(request)
        card = await card_for(service, body.get("model"), "image")
        picked = picked_edit(body, card)
        images, mask = json_pictures(picked)
    asked = answering(picked)
    key = bodies.idempotency_key(request.headers)
    base = service.base(request)
    # Looked at before anything is stored, with names in the place of ids.
    job_of(picked, card, images=[one.field for one in images], mask=mask.field if mask else None, is_edit=True)

    async def make() -> JobRequest:
        ids = await stored_all(service, account, images, base, key)
        white = [await _white(service, await with_bytes(service, account, mask, base))] if mask else []
        masks = await stored_all(service, account, white, base, key)
        return job_of(picked, card, images=ids, mask=next(iter(masks), None), is_edit=True, idempotency_key=key)

    said = {name: value for name, value in picked.items() if name not in ("images", "image", "mask")}
    attempt = try_of(request, service, account, said, [*images, *([mask] if mask else [])])
    return await _answer(request, service, asked, attempt, await attempt.job(make))


async def _answer(request: Request, service: Service, asked: Answering, attempt: Try, job: Job) -> Response:
    if asked.is_stream:
        return EventStreamResponse(image_stream(service, job, asked.partial_images))
    job = await ended(service, job)
    error = error_of(job)
    if error is not None:
        return answer(request, job, error)
    pictures: Sequence[str | None]
    if asked.as_url:
        job, pictures = service.links.sign_all(job, service.base(request)), [None] * len(outputs(job))
    else:
        pictures = await asyncio.to_thread(_contents, service, job)
    await attempt.answered(request, job)
    return JSONResponse(images_response(job, pictures), headers={JOB_HEADER: job.id})


async def _white(service: Service, mask: Given) -> Given:
    """The mask as a job has it; one that was uploaded before is such a mask already."""
    if mask.data is None:
        return mask
    limits = {"max_bytes": service.settings.max_input_bytes, "max_pixels": service.settings.max_input_pixels}
    return replace(mask, data=await asyncio.to_thread(white_where_transparent, mask.data, **limits))


def _contents(service: Service, job: Job) -> list[str]:
    with storage_errors_translated():
        return [base64.b64encode(service.objects.get(one.key)).decode() for one in outputs(job)]


async def _object(request: Request) -> dict[str, Any]:
    body = await bodies.read_json(request)
    if not isinstance(body, dict):
        raise InvalidRequest(f"The body is a JSON object, not {type(body).__name__}.", value=body)
    return body


async def _form(request: Request, service: Service) -> tuple[dict[str, Any], ModelCard, list[Given], Given | None]:
    """The fields, the model, the pictures and the mask of a form."""
    async with request.form(max_files=MAX_IMAGES + 1, max_fields=MAX_FORM_FIELDS) as form:
        pairs = form.multi_items()
        texts = unfolded((name, value) for name, value in pairs if isinstance(value, str))
        card = await card_for(service, texts.get("model"), "image")
        picked = picked_edit(typed(texts, EDIT, card), card)
        images, mask = json_pictures(picked)
        for name, value in pairs:
            if not isinstance(value, UploadFile):
                continue
            field = name.partition("[")[0]
            if field not in ("image", "images", "mask"):
                raise InvalidRequest(f"`{name}` is not a file of this form.", field=name, remedy="Send `image`.")
            given = await given_file(value, name, service.settings.max_input_bytes)
            if field == "mask":
                mask = given
            else:
                images.append(given)
    return picked, card, images, mask
