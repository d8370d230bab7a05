"""What an account used by day, together and by key, and what it may: for its owners, and for the operator."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.access import CALLER, require
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.names import ACCOUNT_PATTERN
from omni_jobs.schemas.access import Limits, Scope, Usage
from omni_jobs.schemas.record import Record
from omni_jobs.store.allowances import KEPT_DAYS, LIFTED

router = APIRouter(tags=["usage"])


class UsageView(Record):
    """Days of UTC, newest first; days and keys without any use are left out."""

    account: str
    limits: Limits
    days: list[Usage]
    keys: dict[str, list[Usage]]


@router.get("/v1/usage", response_model=UsageView, responses=problems.documented())
async def usage(
    account: Account,
    service: Served,
    days: Annotated[int, Query(ge=1, le=KEPT_DAYS)] = 7,
    of: Annotated[
        str | None, Query(pattern=ACCOUNT_PATTERN.pattern, description="Another account; needs the scope `admin`.")
    ] = None,
) -> Response:
    """Requests, jobs, outputs, device seconds and bytes of the account and of each of its keys."""
    if of is not None and of != account:
        require(CALLER.get(), Scope.ADMIN)
    view = await asyncio.to_thread(_view, service, of or account, days)
    return JSONResponse(view.model_dump(mode="json", exclude_none=True))


def _view(service: Service, account: str, days: int) -> UsageView:
    store = service.store
    used = {key.id: store.usage(f"{account}/{key.id}", days) for key in store.issued_keys(account)}
    own = {name: None if value == LIFTED else value for name, value in store.own_limits(account).items()}
    return UsageView(
        account=account,
        limits=Limits.model_validate(service.settings.limits.model_dump() | own),
        days=store.usage(account, days),
        keys={key_id: one for key_id, one in used.items() if one},
    )
