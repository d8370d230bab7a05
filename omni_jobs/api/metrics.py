"""`/metrics` for Prometheus: the whole pool, rendered here from what workers publish."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.edge import BUCKETS_SECONDS, Traffic
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.metrics import Sample, queue_samples, render, sample, worker_samples

router = APIRouter(tags=["health"])
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems.documented()},
)
async def metrics(account: Account, service: Served) -> Response:
    """Queue, workers, engines, webhooks and this process's own answers."""
    text = await asyncio.to_thread(_text, service, account)
    return Response(text, media_type=MEDIA_TYPE)


def _text(service: Service, account: str) -> str:
    store = service.store
    return render(
        chain(
            queue_samples(store.stats(), store.counts(account), account),
            worker_samples(store.workers()),
            _traffic_samples(service.traffic),
        )
    )


def _traffic_samples(traffic: Traffic) -> Iterator[Sample]:
    for (method, route, status), count in sorted(traffic.answered.items()):
        yield sample("omni_http_requests_total", count, method=method, route=route, status=str(status))
    family, below = "omni_http_request_seconds", 0
    for bound in (*BUCKETS_SECONDS, float("inf")):
        below += traffic.seconds[bound]
        label = "+Inf" if bound == float("inf") else f"{bound:g}"
        yield Sample(family, below, (("le", label),), "_bucket")
    yield Sample(family, traffic.total_seconds, (), "_sum")
    yield Sample(family, below, (), "_count")
    yield sample("omni_http_streams", traffic.open_streams)
