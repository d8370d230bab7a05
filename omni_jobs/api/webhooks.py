"""Webhook endpoints with secrets of their own, and deliveries that were given up."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import HttpUrl
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.service import Account, Served
from omni_jobs.errors import NotFound
from omni_jobs.schemas.job import Strict
from omni_jobs.schemas.record import Record
from omni_jobs.webhooks.addresses import split
from omni_jobs.webhooks.endpoints import Endpoint, Endpoints

router = APIRouter(tags=["webhooks"])
EndpointId = Annotated[str, Path(pattern=r"^whe_[0-9a-f]{1,64}$")]


class NewEndpoint(Strict):
    """A URL that shall have a secret of its own."""

    url: HttpUrl


class EndpointView(Record):
    """An endpoint; `secret` is shown when it is made or changed, and never again."""

    id: str
    url: str
    created_at: datetime
    disabled_at: datetime | None = None
    reason: str | None = None
    secret: str | None = None


class EndpointList(Record):
    """The account's endpoints, oldest first."""

    endpoints: list[EndpointView]


class DeadDelivery(Record):
    """A webhook that was given up; it is kept for 30 days."""

    id: str
    job_id: str
    type: str
    url: str
    tries: int
    error: str | None = None


class DeadDeliveries(Record):
    """Deliveries given up, newest first."""

    deliveries: list[DeadDelivery]


@router.get("/v1/webhooks", response_model=EndpointList, responses=problems.documented())
async def endpoints(account: Account, service: Served) -> Response:
    """The endpoints that have a secret of their own, or are disabled."""
    found = await asyncio.to_thread(Endpoints(service.store).all, account)
    return JSONResponse({"endpoints": [_view(one) for one in found]})


@router.post("/v1/webhooks", status_code=201, response_model=EndpointView, responses=problems.documented(413))
async def register(account: Account, service: Served, endpoint: NewEndpoint) -> Response:
    """Give a URL a secret of its own; one that was disabled is enabled again."""
    url = str(endpoint.url)
    split(url)
    made = await asyncio.to_thread(Endpoints(service.store).register, account, url)
    return JSONResponse(_view(made, with_secret=True), 201)


@router.post("/v1/webhooks/{endpoint_id}/rotate", response_model=EndpointView, responses=problems.documented(404))
async def rotate(account: Account, service: Served, endpoint_id: EndpointId) -> Response:
    """A new secret; for 24 hours messages carry a signature of the old one as well."""
    changed = await asyncio.to_thread(Endpoints(service.store).rotate, account, endpoint_id)
    return JSONResponse(_view(changed, with_secret=True))


@router.delete("/v1/webhooks/{endpoint_id}", status_code=204, responses=problems.documented(404))
async def forget(account: Account, service: Served, endpoint_id: EndpointId) -> Response:
    """Forget an endpoint: its URL is signed for with the service's secret again."""
    await asyncio.to_thread(Endpoints(service.store).forget, account, endpoint_id)
    return Response(status_code=204)


@router.get("/v1/webhook_deliveries/dead", response_model=DeadDeliveries, responses=problems.documented())
async def dead(account: Account, service: Served) -> Response:
    """Webhooks that were given up after their last try."""
    found = await asyncio.to_thread(service.store.dead_deliveries)
    rows = [
        DeadDelivery(
            id=one.id, job_id=one.job_id, type=one.type, url=one.url, tries=one.tries, error=one.error
        ).model_dump(exclude_none=True)
        for one in found
        if one.account == account
    ]
    return JSONResponse({"deliveries": rows})


@router.post("/v1/webhook_deliveries/{delivery_id}/replay", status_code=202, responses=problems.documented(404))
async def replay(
    account: Account, service: Served, delivery_id: Annotated[str, Path(pattern=r"^evt_[0-9a-f]{1,64}_\d{1,9}$")]
) -> Response:
    """Send a webhook that was given up again, from the first try on."""
    found = await asyncio.to_thread(service.store.dead_deliveries, 10_000)
    if not any(one.id == delivery_id and one.account == account for one in found):
        raise NotFound(f"There is no dead delivery {delivery_id}.", field="delivery_id", value=delivery_id)
    await asyncio.to_thread(service.store.settle_delivery, delivery_id, "replay")
    return Response(status_code=202)


def _view(endpoint: Endpoint, *, with_secret: bool = False) -> dict[str, object]:
    view = EndpointView.model_validate(endpoint.model_dump())
    if with_secret:
        view = view.model_copy(update={"secret": endpoint.secrets[0]})
    return view.model_dump(mode="json", exclude_none=True)
