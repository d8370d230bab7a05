"""Many jobs called off in one request: each by itself, so that one that has ended spares nobody else."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse, Response

from omni_jobs import queue
from omni_jobs.api import bodies, problems
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import IllegalMove, NotFound
from omni_jobs.schemas.job import Strict

router = APIRouter(tags=["jobs"])


class JobsToCancel(Strict):
    """Ids of jobs."""

    ids: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^job_[0-9a-f]{1,64}$")]],
        Field(min_length=1, max_length=bodies.MAX_BATCH),
    ]


@router.post("/v1/cancellations", response_model=bodies.BatchAnswer, responses=problems.documented())
async def cancel_many(request: Request, account: Account, service: Served, wanted: JobsToCancel) -> Response:
    """Call up to 1000 jobs off; the items stand in the order of the ids: `{status, job}` or `{status, error}`."""
    items = await asyncio.to_thread(_canceled, request, account, service, wanted.ids)
    return JSONResponse({"jobs": items})


def _canceled(request: Request, account: str, service: Service, ids: list[str]) -> list[dict[str, Any]]:
    base, items = service.base(request), []
    for place, job_id in enumerate(ids):
        try:
            job = queue.cancel(service.store, account, job_id)
        except (NotFound, IllegalMove) as error:
            instance, request_id = f"{request.url.path}#{place}", problems.request_id(request)
            problem = problems.describe(error, instance=instance, request_id=request_id)
            items.append({"status": problem["status"], "error": problem})
        else:
            items.append({"status": 200, "job": service.links.sign_all(job, base).to_json()})
    return items
