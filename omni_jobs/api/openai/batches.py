"""OpenAI's batch endpoints: a file of requests is taken, looked at, called off. `batch_runner` does the work."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, Response

from omni_jobs.api.access import caller_key_id
from omni_jobs.api.faces.asking import face_router
from omni_jobs.api.faces.fields import Field, Table, text_field
from omni_jobs.api.faces.forms import json_object
from omni_jobs.api.openai.batch_lines import ENDPOINTS, openai_batch
from omni_jobs.api.openai.files import FILE_LIFE_SECONDS, life_seconds, listing, paged
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import InvalidRequest, NotFound
from omni_jobs.names import new_id
from omni_jobs.schemas.batches import Batch, BatchStatus

router = face_router("openai: batches")
PATH = "/v1/batches"
BatchId = Annotated[str, Path(pattern=r"^batch_[0-9a-f]{1,64}$")]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
MAX_WINDOW_SECONDS = 30 * 24 * 3600
MAX_PAIRS = 16
#: An input outlives its batch's window by so much: results are written after its end, or after an outage then.
FILE_GRACE = timedelta(days=1)
BATCH = Table(
    Field("input_file_id", note="a file of purpose `batch`: 1 to 50,000 lines, 200 MB; kept while it is read"),
    Field("endpoint", note="`/v1/images/generations`, `/v1/images/edits`, `/v1/videos`"),
    Field("completion_window", note="`24h`; also other numbers of `s`, `m`, `h`, `d`, up to 30 days"),
    Field("metadata", note="up to 16 pairs of texts"),
    Field("output_expires_after", note="as `expires_after` of a file; 30 days if absent"),
)


@router.post(PATH)
async def create(request: Request, account: Account, service: Served) -> Response:
    """Take a batch; its lines are validated next."""
    body = BATCH.pick(await json_object(request))
    batch = await asyncio.to_thread(_created, service, account, body, service.base(request))
    return JSONResponse(openai_batch(batch))


@router.get(PATH)
async def page(
    account: Account,
    service: Served,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The account's batches, newest first."""
    batches = await asyncio.to_thread(service.store.list_batches, account)
    return JSONResponse(listing(*paged([openai_batch(one) for one in batches], after, limit, "desc")))


@router.get(PATH + "/{batch_id}")
async def get(account: Account, service: Served, batch_id: BatchId) -> Response:
    """The batch as it stands."""
    return JSONResponse(await asyncio.to_thread(_shown, service, account, batch_id))


@router.post(PATH + "/{batch_id}/cancel")
async def cancel(account: Account, service: Served, batch_id: BatchId) -> Response:
    """Call a batch off: lines that are finished go into its output file."""
    await asyncio.to_thread(service.store.batch, account, batch_id)
    await asyncio.to_thread(service.store.ask_to_cancel_batch, account, batch_id)
    return JSONResponse(await asyncio.to_thread(_shown, service, account, batch_id))


def _shown(service: Service, account: str, batch_id: str) -> dict[str, Any]:
    batch = service.store.batch(account, batch_id)
    if not batch.status.is_final and service.store.is_batch_to_cancel(account, batch_id):
        batch = batch.model_copy(update={"status": BatchStatus.CANCELLING})
    return openai_batch(batch)


def _created(service: Service, account: str, body: dict[str, Any], base: str) -> Batch:
    endpoint = text_field(body, "endpoint", ENDPOINTS)
    file_id = text_field(body, "input_file_id")
    if endpoint is None or file_id is None:
        missing = "endpoint" if endpoint is None else "input_file_id"
        raise InvalidRequest(f"`{missing}` is missing.", field=missing)
    try:
        file = service.store.file(account, file_id)
    except NotFound as error:
        raise InvalidRequest(f"`input_file_id`: {error}", field="input_file_id", value=file_id) from error
    if file.purpose != "batch":
        raise InvalidRequest(
            f"`input_file_id`: {file_id} has the purpose {file.purpose}.", field="input_file_id", value=file_id,
            remedy="Upload it with the purpose batch.",
        )  # fmt: skip
    now, window = datetime.now(UTC), body.get("completion_window", "24h")
    batch = Batch(
        id=new_id("batch"),
        account=account,
        key_id=caller_key_id(),
        endpoint=endpoint,
        input_file_id=file_id,
        base=base,
        created_at=now,
        expires_at=now + timedelta(seconds=_window_seconds(window)),
        completion_window=window,
        output_life_seconds=life_seconds(body.get("output_expires_after"), "output_expires_after")
        or FILE_LIFE_SECONDS,
        metadata=_metadata(body.get("metadata", {})),
    )
    service.store.add_batch(batch)
    service.store.keep_file_until(account, file, batch.expires_at + FILE_GRACE)
    return batch


def _window_seconds(window: Any) -> int:
    match = re.fullmatch(r"(\d{1,7})([smhd])", window) if isinstance(window, str) else None
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < seconds <= MAX_WINDOW_SECONDS:
        raise InvalidRequest(
            f"`completion_window`: {window!r:.80} is no time up to 30 days.", field="completion_window",
            value=window, remedy="Write 24h.",
        )  # fmt: skip
    return seconds


def _metadata(given: Any) -> dict[str, str]:
    is_flat = isinstance(given, dict) and all(isinstance(one, str) and len(one) <= 512 for one in given.values())
    if not is_flat or len(given) > MAX_PAIRS:
        raise InvalidRequest("`metadata`: up to 16 pairs of texts, 512 signs each.", field="metadata", value=given)
    return dict(given)
