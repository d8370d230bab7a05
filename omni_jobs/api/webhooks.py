"""Webhook endpoints: URLs with a secret of their own, the events that they take, and test events."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, HttpUrl
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.service import Account, Served
from omni_jobs.schemas.deliveries import DeliveryView
from omni_jobs.schemas.job import Strict, WebhookEvent
from omni_jobs.schemas.record import Record
from omni_jobs.webhooks.addresses import split
from omni_jobs.webhooks.endpoints import Endpoint, Endpoints

router = APIRouter(tags=["webhooks"])
EndpointId = Annotated[str, Path(pattern=r"^whe_[0-9a-f]{1,64}$")]


class TakenEvents(Strict):
    """The events that an endpoint takes, of those that a job asks for; all if absent."""

    events: Annotated[tuple[WebhookEvent, ...], Field(min_length=1)] | None = None


class NewEndpoint(TakenEvents):
    """A URL that shall have a secret of its own."""

    url: HttpUrl


class EndpointView(Record):
    """An endpoint; `secret` is shown to who registers or changes it, and in no list."""

    id: str
    url: str
    created_at: datetime
    events: list[WebhookEvent] | None = None
    disabled_at: datetime | None = None
    reason: str | None = None
    secret: str | None = None


class EndpointList(Record):
    """The account's endpoints, oldest first."""

    endpoints: list[EndpointView]


@router.get("/v1/webhooks", response_model=EndpointList, responses=problems.documented())
async def endpoints(account: Account, service: Served) -> Response:
    """The endpoints that have a secret of their own, or are disabled."""
    found = await asyncio.to_thread(Endpoints(service.store).all, account)
    return JSONResponse({"endpoints": [_view(one) for one in found]})


@router.post("/v1/webhooks", status_code=201, response_model=EndpointView, responses=problems.documented(413))
async def register(account: Account, service: Served, endpoint: NewEndpoint) -> Response:
    """Give a URL a secret of its own. One that has a secret keeps it, takes these events, and is enabled again."""
    url = str(endpoint.url)
    split(url)
    made = await asyncio.to_thread(Endpoints(service.store).register, account, url, endpoint.events)
    return _shown(made, 201, with_secret=True)


@router.patch("/v1/webhooks/{endpoint_id}", response_model=EndpointView, responses=problems.documented(404, 413))
async def change(account: Account, service: Served, endpoint_id: EndpointId, wanted: TakenEvents) -> Response:
    """Say which events an endpoint takes from now on; those that wait already are still sent."""
    changed = await asyncio.to_thread(Endpoints(service.store).take_events, account, endpoint_id, wanted.events)
    return _shown(changed)


@router.post("/v1/webhooks/{endpoint_id}/rotate", response_model=EndpointView, responses=problems.documented(404))
async def rotate(account: Account, service: Served, endpoint_id: EndpointId) -> Response:
    """A new secret; for 24 hours messages carry a signature of the old one as well."""
    changed = await asyncio.to_thread(Endpoints(service.store).rotate, account, endpoint_id)
    return _shown(changed, with_secret=True)


@router.delete("/v1/webhooks/{endpoint_id}", status_code=204, responses=problems.documented(404))
async def forget(account: Account, service: Served, endpoint_id: EndpointId) -> Response:
    """Forget an endpoint: its URL is signed for with the service's secret again."""
    await asyncio.to_thread(Endpoints(service.store).forget, account, endpoint_id)
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{endpoint_id}/test",
    status_code=202,
    response_model=DeliveryView,
    responses=problems.documented(404),
)
async def test(account: Account, service: Served, endpoint_id: EndpointId) -> Response:
    """Send a signed test event, once; `GET /v1/webhook_deliveries/{id}` tells what came of it."""

    def post() -> DeliveryView:
        endpoint = Endpoints(service.store).get(account, endpoint_id)
        return service.store.delivery(account, service.store.post_test(account, endpoint.url))[0]

    sent = await asyncio.to_thread(post)
    headers = {"location": f"/v1/webhook_deliveries/{sent.id}"}
    return JSONResponse(sent.model_dump(mode="json", exclude_none=True), 202, headers)


def _shown(endpoint: Endpoint, status: int = 200, *, with_secret: bool = False) -> Response:
    headers = {"cache-control": "no-store"} if with_secret else None
    return JSONResponse(_view(endpoint, with_secret=with_secret), status, headers)


def _view(endpoint: Endpoint, *, with_secret: bool = False) -> dict[str, object]:
    view = EndpointView.model_validate(endpoint.model_dump())
    if with_secret:
        view = view.model_copy(update={"secret": endpoint.secrets[0]})
    return view.model_dump(mode="json", exclude_none=True)
