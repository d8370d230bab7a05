"""What Replicate's clients ask besides predictions: a model's version, health, the secret of webhooks."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import JSONResponse, Response

from omni_jobs.api.faces.asking import card_for, face_router
from omni_jobs.api.readiness import model_states
from omni_jobs.api.service import Account, Served, operator_of
from omni_jobs.faces.replicate import OWNER
from omni_jobs.schemas import SERVING, ModelCard
from omni_jobs.schemas.access import Caller
from omni_jobs.signing_secret import webhook_secret

router = face_router("replicate")
#: Nobody noted when a model came; the clients want a moment.
_EPOCH = "1970-01-01T00:00:00Z"


@router.get("/v1/models/{owner}/{name}/versions/{version}")
async def version(_account: Account, service: Served, owner: str, name: str, version: str) -> Response:
    """A version of a model: there is one, whatever it is called."""
    card = await card_for(service, f"{owner}/{name}")
    return JSONResponse(version_of(card, version))


@router.get("/health-check")
async def health(_account: Account, service: Served) -> Response:
    """Cog's word for the pool: READY while some worker serves a model."""
    workers = await asyncio.to_thread(service.store.workers)
    states = model_states(workers, [])
    is_ready = not SERVING.isdisjoint(states.values())
    return JSONResponse({"status": "READY" if is_ready else "STARTING", "models": states})


@router.get("/v1/webhooks/default/secret")
async def secret(service: Served, _operator: Annotated[Caller, Depends(operator_of)]) -> Response:
    """The service's signing secret, for the operator: whoever has it can sign for every account."""
    return JSONResponse({"key": await asyncio.to_thread(webhook_secret, service.settings)})


def version_of(card: ModelCard, version: str) -> dict[str, Any]:
    """The version as Replicate shows it, with the schema of a prediction's input."""
    own = {"prompt": {"type": "string"}, "seed": {"type": "integer"}, "num_outputs": {"type": "integer"}}
    properties = own | card.parameters_schema.get("properties", {})
    schemas = {
        "Input": {"type": "object", "required": ["prompt"], "properties": properties},
        "Output": {"type": "array", "items": {"type": "string", "format": "uri"}},
    }
    return {
        "id": version,
        "model": f"{OWNER}/{card.name}",
        "created_at": _EPOCH,
        "cog_version": "0",
        "openapi_schema": {"openapi": "3.1.0", "info": {"title": card.name}, "components": {"schemas": schemas}},
    }
