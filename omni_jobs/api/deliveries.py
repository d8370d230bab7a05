"""The log of webhooks: what was delivered, what waits, what was given up; and sending it again."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field, HttpUrl
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import InvalidRequest, NotFound
from omni_jobs.schemas.deliveries import DeliveryState, DeliveryView
from omni_jobs.schemas.job import Moment, Strict
from omni_jobs.schemas.record import Record
from omni_jobs.store import DeliveryFilter
from omni_jobs.webhooks.copies import COPY
from omni_jobs.webhooks.endpoints import Endpoints
from omni_jobs.webhooks.message import body_of

router = APIRouter(tags=["webhooks"])
ID = r"^(evt|cpy|tst)_[0-9a-f]{1,64}(_p?\d{1,15})?$"
DeliveryId = Annotated[str, Path(pattern=ID)]
Ids = tuple[Annotated[str, Field(pattern=ID)], ...]


class Wanted(Strict):
    """Which deliveries are meant: those that fit all that is said. Times are those of the events."""

    state: DeliveryState | None = None
    endpoint_id: Annotated[str, Field(pattern=r"^whe_[0-9a-f]{1,64}$")] | None = None
    url: HttpUrl | None = None
    job_id: Annotated[str, Field(pattern=r"^job_[0-9a-f]{1,64}$")] | None = None
    type: Annotated[str, Field(max_length=40)] | None = None
    since: Moment | None = None
    until: Moment | None = None


class LogQuery(Wanted):
    """A page of the log."""

    cursor: Annotated[str, Field(max_length=400)] | None = None
    limit: int = Field(50, ge=1, le=200)


class Replay(Wanted):
    """What is sent again: the deliveries with these ids, or all that fit the rest."""

    ids: Annotated[Ids, Field(min_length=1, max_length=1000)] | None = None


class DeliveryPage(Record):
    """Deliveries, newest event first."""

    deliveries: list[DeliveryView]
    cursor: str | None = None


class DeliveryDetail(DeliveryView):
    """A delivery with the body that is sent; links in it are made now. None for a copy of an output."""

    body: dict[str, Any] | None = None


class Replayed(Record):
    """The deliveries that are sent again."""

    ids: list[str]


@router.get("/v1/webhook_deliveries", response_model=DeliveryPage, responses=problems.documented(404))
async def page(account: Account, service: Served, query: Annotated[LogQuery, Query()]) -> Response:
    """The log, newest event first. A page with filters may hold less than `limit` although a cursor follows.

    Delivered ones are kept for 3 days, at most 1,000 of them; those given up for 30 days, at most 10,000.
    """

    def read() -> DeliveryPage:
        wanted = _filter(service, account, query)
        try:
            found, following = service.store.deliveries(account, wanted, cursor=query.cursor, limit=query.limit)
        except InvalidRequest as error:
            raise NotFound(error.message, field="cursor", value=query.cursor, remedy=error.remedy) from error
        return DeliveryPage(deliveries=found, cursor=following)

    return _shown(await asyncio.to_thread(read))


@router.get(
    "/v1/webhook_deliveries/{delivery_id}", response_model=DeliveryDetail, responses=problems.documented(404)
)
async def get(request: Request, account: Account, service: Served, delivery_id: DeliveryId) -> Response:
    """One delivery with its tries and its body."""
    base = service.base(request)

    def read() -> DeliveryDetail:
        view, delivery = service.store.delivery(account, delivery_id)
        body = None if delivery.type == COPY else json.loads(body_of(delivery, service.links, base))
        return DeliveryDetail(**view.model_dump(), body=body)

    return _shown(await asyncio.to_thread(read))


@router.post(
    "/v1/webhook_replays",
    status_code=202,
    response_model=Replayed,
    responses=problems.documented(404, 413),
)
async def replay_many(account: Account, service: Served, wanted: Replay) -> Response:
    """Send deliveries again: those of `ids`, of a range of time (`since`, `until`), or of a state.

    Each goes under the id that it has, from the first try on; one that waits is tried now. What is with the
    courier at this moment is left out.
    """

    def replay() -> list[str]:
        if wanted.ids is not None:
            return service.store.replay(account, wanted.ids)
        if wanted.since is None and wanted.state is None:
            raise InvalidRequest(
                "`since`: neither it nor `state` nor `ids` says what is sent again.",
                field="since",
                remedy='Say a time, or {"state": "given_up"}.',
            )
        return service.store.replay_all(account, _filter(service, account, wanted))

    return _shown(Replayed(ids=await asyncio.to_thread(replay)), 202)


@router.post(
    "/v1/webhook_deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=Replayed,
    responses=problems.documented(404, 409),
)
async def replay(account: Account, service: Served, delivery_id: DeliveryId) -> Response:
    """Send one again under its id, from the first try on; one that is with the courier already is on its way."""
    await asyncio.to_thread(service.store.delivery, account, delivery_id)
    return _shown(Replayed(ids=await asyncio.to_thread(service.store.replay, account, [delivery_id])), 202)


def _filter(service: Service, account: str, wanted: Wanted) -> DeliveryFilter:
    """Raises NotFound for the endpoint."""
    url = None if wanted.url is None else str(wanted.url)
    if wanted.endpoint_id is not None:
        url = Endpoints(service.store).get(account, wanted.endpoint_id).url
    return DeliveryFilter(wanted.state, url, wanted.job_id, wanted.type, wanted.since, wanted.until)


def _shown(answer: Record, status: int = 200) -> Response:
    return JSONResponse(answer.model_dump(mode="json", exclude_none=True), status)
