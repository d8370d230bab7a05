"""What can be asked for: the cards that workers publish, with the JSON schema of their parameters."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from omni_jobs.api import bodies, problems
from omni_jobs.api.readiness import workers_by_state
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.schemas import ModelCard

router = APIRouter(tags=["models"])


@router.get("/v1/models", response_model=bodies.ModelList, responses=problems.documented())
async def models(_account: Account, service: Served) -> Response:
    """Every model that a worker published, whether one serves it now or not."""
    cards = await asyncio.to_thread(service.store.cards)
    states = await asyncio.to_thread(_states, service, cards)
    return JSONResponse({"models": [state.model_dump(mode="json", exclude_none=True) for state in states]})


@router.get("/v1/models/{name:path}", response_model=bodies.ModelState, responses=problems.documented(404))
async def model(
    _account: Account,
    service: Served,
    name: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^/\s][^\s]*$")],
) -> Response:
    """One model."""
    card = await asyncio.to_thread(service.store.card, name)
    (state,) = await asyncio.to_thread(_states, service, [card])
    return JSONResponse(state.model_dump(mode="json", exclude_none=True))


def _states(service: Service, cards: list[ModelCard]) -> list[bodies.ModelState]:
    workers = service.store.workers()
    return [bodies.ModelState(card=card, workers=workers_by_state(workers, card.name)) for card in cards]
