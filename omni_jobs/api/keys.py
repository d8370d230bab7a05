"""API keys over HTTP, for operators: listed without their secrets, made, revoked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BeforeValidator, Field
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.service import Operator, Served
from omni_jobs.names import ACCOUNT_PATTERN
from omni_jobs.schemas.access import LONGEST_LIFETIME, ApiKey, Scope
from omni_jobs.schemas.job import Strict, no_text
from omni_jobs.schemas.record import Record
from omni_jobs.store.keyring import DEFAULT_SCOPES

router = APIRouter(tags=["keys"])


class KeyList(Record):
    """Keys of all accounts, oldest first, revoked ones too."""

    keys: list[ApiKey]


LONGEST_SECONDS = round(LONGEST_LIFETIME.total_seconds())


class NewKey(Strict):
    """A key to be made. Without `lifetime_seconds` it is good until it is revoked."""

    account: Annotated[str, Field(pattern=ACCOUNT_PATTERN.pattern)]
    name: Annotated[str, Field(max_length=100, pattern=r"^[ -~]*$")] = ""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope))] = DEFAULT_SCOPES
    lifetime_seconds: Annotated[int, Field(ge=1, le=LONGEST_SECONDS), BeforeValidator(no_text)] | None = None


class IssuedKey(Record):
    """A new key; its text is shown now and never again."""

    key: ApiKey
    text: str


@router.get("/v1/keys", response_model=KeyList, responses=problems.documented())
async def keys(_operator: Operator, service: Served) -> Response:
    """Every key with its last use."""
    found = await asyncio.to_thread(service.store.issued_keys)
    return JSONResponse({"keys": [one.model_dump(mode="json", exclude_none=True) for one in found]})


@router.post("/v1/keys", status_code=201, response_model=IssuedKey, responses=problems.documented(413))
async def issue(_operator: Operator, service: Served, wanted: NewKey) -> Response:
    """Make a key for an account."""
    seconds = wanted.lifetime_seconds
    key, text = await asyncio.to_thread(
        service.store.issue_key,
        wanted.account,
        name=wanted.name,
        scopes=wanted.scopes,
        lifetime=None if seconds is None else timedelta(seconds=seconds),
    )
    shown = IssuedKey(key=key, text=text).model_dump(mode="json", exclude_none=True)
    return JSONResponse(shown, 201, {"cache-control": "no-store"})


@router.post("/v1/keys/{key_id}/revoke", response_model=ApiKey, responses=problems.documented(404))
async def revoke(
    _operator: Operator, service: Served, key_id: Annotated[str, Path(pattern=r"^key_[0-9a-f]{12}$")]
) -> Response:
    """End a key at once."""
    key = await asyncio.to_thread(service.store.revoke_key, key_id)
    return JSONResponse(key.model_dump(mode="json", exclude_none=True))
