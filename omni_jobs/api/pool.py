"""The pool as its operators see it: how deep the queue is, how jobs ended, the workers and what they are asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from omni_jobs import __version__
from omni_jobs.api import problems
from omni_jobs.api.access import needs_key
from omni_jobs.api.readiness import workers_by_state
from omni_jobs.api.service import Account, Calling, Operator, Served, Service
from omni_jobs.errors import InvalidRequest, NotFound
from omni_jobs.schemas import EventType, ModelCard, WorkerInfo, nearest
from omni_jobs.schemas.access import Scope
from omni_jobs.schemas.job import Name, Strict
from omni_jobs.schemas.record import Record
from omni_jobs.store.operating import Ended

router = APIRouter(tags=["pool"])
#: How far back the past is told, and in how many parts.
PAST_SECONDS = 900
PARTS = 30


class Session(Record):
    """Whose key was sent, and what it allows. `asks_for_keys`: without one, nothing is answered."""

    account: str
    key_id: str | None = None
    scopes: tuple[Scope, ...]
    asks_for_keys: bool
    version: str


class ModelDepth(Record):
    """One model: its queue, its live workers by state, and when a new job with its defaults would be done."""

    name: str
    ready: int
    alone: int
    oldest_wait_seconds: float
    workers: dict[str, int]
    eta_seconds: float | None = None


class Past(Record):
    """How the account's jobs ended since a moment; `parts` counts them in equal parts of it, oldest first."""

    since: datetime
    seconds: float
    ended: dict[str, int]
    errors: dict[str, int]
    parts: list[dict[str, int]]


class Pool(Record):
    """The whole pool now, and the account's own jobs by status."""

    paused_since: datetime | None = None
    queued: int
    held: int
    running: int
    oldest_wait_seconds: float
    workers: int
    slots: int
    deliveries: int
    dead_deliveries: int
    models: list[ModelDepth]
    jobs: dict[str, int]
    past: Past


class Intake(Strict):
    """Whether new jobs are refused."""

    paused: bool


class WorkerList(Record):
    """The live workers, by id."""

    workers: list[WorkerInfo]


class WorkerWish(Strict):
    """What a worker shall do: hand back its jobs and end, or change one of its models."""

    action: Literal["drain", "load", "wake", "sleep", "unload"]
    model: Name | None = None


@router.get(
    "/v1/session", response_model=Session, response_model_exclude_none=True, responses=problems.documented()
)
async def session(caller: Calling, service: Served) -> Session:
    """Who the caller is here."""
    return Session(
        account=caller.account,
        key_id=caller.key_id,
        scopes=tuple(scope for scope in Scope if caller.may(scope)),
        asks_for_keys=needs_key(service.settings),
        version=__version__,
    )


@router.get("/v1/pool", response_model=Pool, responses=problems.documented())
async def pool(account: Account, service: Served) -> Response:
    """Depths, waits and live workers of the whole pool; how the account's jobs stand and lately ended."""
    state = await asyncio.to_thread(_pool, service, account)
    return JSONResponse(state.model_dump(mode="json", exclude_none=True))


@router.put("/v1/pool/intake", response_model=Intake, responses=problems.documented(413))
async def intake(_operator: Operator, service: Served, wanted: Intake) -> Intake:
    """Take no new jobs, or take them again. Jobs that were taken go on."""
    store = service.store
    await asyncio.to_thread(store.pause_intake if wanted.paused else store.resume_intake)
    return wanted


@router.get("/v1/workers", response_model=WorkerList, responses=problems.documented())
async def workers(_operator: Operator, service: Served) -> Response:
    """Every live worker as it last told of itself, some seconds ago at most."""
    alive = await asyncio.to_thread(service.store.workers)
    return JSONResponse({"workers": [one.model_dump(mode="json", exclude_none=True) for one in alive]})


@router.post("/v1/workers/{worker_id}", status_code=202, responses=problems.documented(404, 413))
async def ask_worker(
    _operator: Operator,
    service: Served,
    worker_id: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^/\s]+$")],
    wish: WorkerWish,
) -> Response:
    """Ask a worker for something; it hears that with its next beat."""
    await asyncio.to_thread(_ask, service, worker_id, wish)
    return Response(status_code=202)


def _ask(service: Service, worker_id: str, wish: WorkerWish) -> None:
    store = service.store
    alive = {one.id: one for one in store.workers()}
    if worker_id not in alive:
        remedy = nearest(worker_id, alive) if alive else "No worker is alive."
        raise NotFound(f"No live worker is called {worker_id!r}.", field="worker_id", remedy=remedy)
    if wish.action == "drain":
        store.ask_to_drain(worker_id)
        return
    models = alive[worker_id].models
    if wish.model not in models:
        raise InvalidRequest(
            f"`model`: worker {worker_id} has no model {wish.model!r}.",
            field="model",
            value=wish.model,
            remedy=nearest(wish.model or "", models),
        )
    store.ask_for_change(worker_id, wish.action, wish.model)


def _pool(service: Service, account: str) -> Pool:
    store = service.store
    stats, alive, cards = store.stats(), store.workers(), store.cards()
    models = [_model(service, account, card, stats["models"].get(card.name, {}), alive) for card in cards]
    ended, since = store.ended_lately(account, PAST_SECONDS)
    return Pool(
        paused_since=store.paused_since(),
        queued=stats["queued"],
        held=stats["held"],
        running=stats["running"],
        oldest_wait_seconds=max((one.oldest_wait_seconds for one in models), default=0.0),
        workers=len(alive),
        slots=sum(one.slots for one in alive),
        deliveries=stats["deliveries"],
        dead_deliveries=stats["dead_deliveries"],
        models=models,
        jobs=store.counts(account),
        past=past_of(ended, since, datetime.now(UTC)),
    )


def _model(
    service: Service, account: str, card: ModelCard, depth: dict[str, Any], alive: Sequence[WorkerInfo]
) -> ModelDepth:
    ready, alone = int(depth.get("ready", 0)), int(depth.get("alone", 0))
    return ModelDepth(
        name=card.name,
        ready=ready,
        alone=alone,
        oldest_wait_seconds=depth.get("oldest_wait_seconds", 0.0),
        workers=workers_by_state(alive, card.name),
        eta_seconds=service.estimates.new_job_seconds(account, card, ready + alone),
    )


def past_of(ended: Sequence[Ended], since: datetime, now: datetime) -> Past:
    """Counts of what ended between two moments, as a whole and in `PARTS` equal parts of that time."""
    seconds = max((now - since).total_seconds(), 1.0)
    parts: list[Counter[str]] = [Counter() for _ in range(PARTS)]
    for one in ended:
        place = int((one.at - since).total_seconds() / seconds * PARTS)
        parts[min(max(place, 0), PARTS - 1)][_word(one.type)] += 1
    return Past(
        since=since,
        seconds=round(seconds, 1),
        ended=dict(Counter(_word(one.type) for one in ended)),
        errors=dict(Counter(one.code for one in ended if one.code).most_common(20)),
        parts=[dict(part) for part in parts],
    )


def _word(kind: EventType) -> str:
    return kind.removeprefix("job.")
