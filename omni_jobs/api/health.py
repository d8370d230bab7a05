"""Is the process alive, and are jobs taken? For load balancers and people; no key is asked and no detail given."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from omni_jobs import __version__
from omni_jobs.api.readiness import Ready
from omni_jobs.api.service import Served
from omni_jobs.schemas.record import Record

router = APIRouter(tags=["health"])


class Alive(Record):
    """The process answers."""

    status: str = "ok"
    version: str


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """This process answers. Nothing else is asked."""
    return JSONResponse(Alive(version=__version__).model_dump())


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready, "description": "Not ready"}})
async def readyz(service: Served) -> Response:
    """A worker takes messages: a doorbell is sent through the broker and somebody must take it."""
    ready = await asyncio.to_thread(service.readiness.ask)
    return JSONResponse(ready.model_dump(), 200 if ready.is_ready else 503)
