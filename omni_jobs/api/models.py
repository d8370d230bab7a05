"""What can be asked for: the cards that workers publish, with the JSON schema of their parameters."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

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
    shown = [state.model_dump(mode="json", exclude_none=True) for state in states]
    return JSONResponse({"object": "list", "data": [_openai(state) for state in states], "models": shown})


@router.get("/v1/models/{name:path}", response_model=bodies.ModelState, responses=problems.documented(404))
async def model(
    _account: Account,
    service: Served,
    name: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^/\s][^\s]*$")],
) -> Response:
    """One model."""
    card = await asyncio.to_thread(service.store.card, name)
    (state,) = await asyncio.to_thread(_states, service, [card])
    return JSONResponse(state.model_dump(mode="json", exclude_none=True) | _openai(state))


def _openai(state: bodies.ModelState) -> dict[str, Any]:
    """The model as clients of the OpenAI API read it; nobody noted when it came."""
    return {"id": state.card.name, "object": "model", "created": 0, "owned_by": "omni-jobs"}


def _states(service: Service, cards: list[ModelCard]) -> list[bodies.ModelState]:
    workers = service.store.workers()
    return [bodies.ModelState(card=card, workers=workers_by_state(workers, card.name)) for card in cards]
