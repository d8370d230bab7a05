"""How every route of a face begins and ends: whose call, which model, plain JSON errors, waiting for the job."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request

from omni_jobs.api import waiting
from omni_jobs.api.faces.catalogue import find_model
from omni_jobs.api.problems import PLAIN_JSON
from omni_jobs.api.service import Service
from omni_jobs.errors import InvalidRequest, Unavailable
from omni_jobs.schemas import Job, ModelCard


def plain_errors(request: Request) -> None:
    """Clients of other APIs read an error's body only if its type is application/json."""
    request.state.error_media_type = PLAIN_JSON


def face_router(tag: str, prefix: str = "") -> APIRouter:
    """A router whose errors every client reads. Its vendor documents it, so `/openapi.json` leaves it out."""
    return APIRouter(prefix=prefix, tags=[tag], dependencies=[Depends(plain_errors)], include_in_schema=False)


async def card_for(service: Service, wanted: object, media: str | None = None) -> ModelCard:
    """The card of the model that a client names. Raises UnknownModel."""
    if wanted is not None and not isinstance(wanted, str):
        raise InvalidRequest(f"`model`: {wanted!r:.80} is no name.", field="model", value=wanted)
    cards = await asyncio.to_thread(service.store.cards)
    return find_model(cards, wanted, aliases=service.aliases, media=media)


async def ended(service: Service, job: Job) -> Job:
    """The job when it has ended.

    Raises:
        Unavailable: it had not when the server's patience was over; the client's own retry finds it again.
    """
    job = await waiting.until_finished(service, job, service.settings.stream_seconds)
    if not job.is_finished:
        raise Unavailable(f"Job {job.id} goes on; the server ends this call.", remedy="Ask again.")
    return job
