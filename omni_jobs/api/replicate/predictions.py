"""Replicate's prediction endpoints, and Cog's, which are the same without `/v1` and with `PUT`."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, Response

from omni_jobs import queue
from omni_jobs.api import bodies, waiting
from omni_jobs.api.events import EventStreamResponse
from omni_jobs.api.faces.asking import card_for, face_router
from omni_jobs.api.faces.forms import json_object
from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.faces.stream_links import STREAMS_PATH, check_stream_link, stream_link
from omni_jobs.api.jobs import MAX_WAIT_SECONDS, submit_one
from omni_jobs.api.replicate.inputs import CLIENTS_ID, PREDICTION, job_of, own_id_of, picked_input, pictures_of
from omni_jobs.api.replicate.stream import prediction_stream
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import IllegalMove, InvalidRequest
from omni_jobs.faces.replicate import blocking, prediction_of
from omni_jobs.schemas import Job

router = face_router("replicate")
PAGE = 100
#: The clients give up half a second after the minute that `Prefer: wait` means.
WAIT_SECONDS = MAX_WAIT_SECONDS - 5
_PREFER_WAIT = re.compile(r"(?:^|[\s,;])wait(?:=(\d{1,4}))?(?:$|[\s,;])")
PredictionId = Annotated[str, Path(pattern=rf"^{CLIENTS_ID.pattern}$")]
Cursor = Annotated[str | None, Query(max_length=400)]
OWN_ID = re.compile(r"job_[0-9a-f]{1,64}")


@router.post("/v1/predictions")
@router.post("/predictions")
async def create(request: Request, account: Account, service: Served) -> Response:
    """Submit a prediction of the model that `version` or `model` names."""
    body = await json_object(request)
    return await _create(request, account, service, body, body.get("version", body.get("model")))


@router.post("/v1/models/{owner}/{name}/predictions")
@router.post("/v1/deployments/{owner}/{name}/predictions")
async def create_of_model(request: Request, account: Account, service: Served, owner: str, name: str) -> Response:
    """Submit a prediction of a model."""
    return await _create(request, account, service, await json_object(request), f"{owner}/{name}")


@router.put("/predictions/{prediction_id}")
@router.put("/v1/predictions/{prediction_id}")
async def put(request: Request, account: Account, service: Served, prediction_id: PredictionId) -> Response:
    """Submit a prediction under the client's own id; the same id again is the same prediction."""
    body = await json_object(request)
    if body.setdefault("id", prediction_id) != prediction_id:
        raise InvalidRequest(
            f"`id`: {body['id']!r} is not the id in the path.",
            field="id",
            value=body["id"],
            remedy="Leave it out.",
        )
    return await _create(request, account, service, body, body.get("version", body.get("model")))


@router.get("/v1/predictions/{prediction_id}")
@router.get("/predictions/{prediction_id}")
async def get(request: Request, account: Account, service: Served, prediction_id: PredictionId) -> Response:
    """The prediction as it stands."""
    job = await asyncio.to_thread(service.store.get, account, job_id_of(account, prediction_id))
    return JSONResponse(_shown(service, job, service.base(request)))


@router.get("/v1/predictions")
async def page(request: Request, account: Account, service: Served, cursor: Cursor = None) -> Response:
    """Predictions, newest first."""
    base = service.base(request)
    jobs, following = await asyncio.to_thread(service.store.list, account, cursor=cursor, limit=PAGE)
    following_url = f"{base}/v1/predictions?cursor={following}" if following else None
    shown = [_shown(service, job, base) for job in jobs]
    return JSONResponse({"previous": None, "next": following_url, "results": shown})


@router.post("/v1/predictions/{prediction_id}/cancel")
@router.post("/predictions/{prediction_id}/cancel")
async def cancel(request: Request, account: Account, service: Served, prediction_id: PredictionId) -> Response:
    """Call a prediction off; one that has ended is answered as it is."""
    job_id = job_id_of(account, prediction_id)
    try:
        job = await asyncio.to_thread(queue.cancel, service.store, account, job_id)
    except IllegalMove:
        job = await asyncio.to_thread(service.store.get, account, job_id)
    return JSONResponse(_shown(service, job, service.base(request)))


@router.get(STREAMS_PATH + "{account}/{job_id}")
async def stream(request: Request, service: Served, account: str, job_id: str) -> Response:
    """A prediction's events, for whoever holds the signed link."""
    check_stream_link(service.settings, account, job_id, dict(request.query_params))
    job = await asyncio.to_thread(service.store.get, account, job_id)
    return EventStreamResponse(prediction_stream(service, job, service.base(request)))


def job_id_of(account: str, prediction_id: str) -> str:
    """The job of a prediction: its id is ours, or one that follows from the client's own."""
    if OWN_ID.fullmatch(prediction_id):
        return prediction_id
    return f"job_{hashlib.sha256(f'{account}/{prediction_id}'.encode()).hexdigest()[:28]}"


def waited_seconds(prefer: str) -> float:
    """How long the client wants its answer held back: 0 at least, by the header `Prefer`."""
    match = _PREFER_WAIT.search(prefer.lower())
    return 0.0 if match is None else min(float(match[1] or WAIT_SECONDS), MAX_WAIT_SECONDS)


async def _create(
    request: Request, account: str, service: Service, body: dict[str, Any], model: object
) -> Response:
    body = PREDICTION.pick(body)
    base, card = service.base(request), await card_for(service, model)
    picked = picked_input(body, card)
    images, mask = pictures_of(picked)
    key = bodies.idempotency_key(request.headers)
    own_id = own_id_of(body)
    # Looked at before anything is stored, with names in the place of ids.
    job_of(body, picked, card, images=[one.field for one in images], mask=mask.field if mask else None)
    ids = await stored_all(service, account, images, base, key)
    masks = await stored_all(service, account, [mask] if mask else [], base, key)
    wanted = job_of(body, picked, card, images=ids, mask=next(iter(masks), None), idempotency_key=key)
    job, _ = await asyncio.to_thread(submit_one, account, service, wanted, own_id and job_id_of(account, own_id))
    seconds = waited_seconds(request.headers.get("prefer", ""))
    if seconds:
        job = await waiting.until_finished(service, job, seconds)
    shown = _shown(service, job, base)
    return JSONResponse(blocking(shown) if seconds else shown, 201 if job.is_finished or not seconds else 202)


def _shown(service: Service, job: Job, base: str) -> dict[str, Any]:
    link = stream_link(service.settings, job.account, job.id, base)
    return prediction_of(service.links.sign_all(job, base), base, link)
