"""Input pictures on their way in: counted while they arrive, spooled to disk, checked, stored."""

from __future__ import annotations

import asyncio
import pathlib
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.api.bodies import read_json
from omni_jobs.api.service import Account, Served
from omni_jobs.errors import InvalidMedia, InvalidRequest, TooLarge
from omni_jobs.schemas import Upload

router = APIRouter(tags=["uploads"])

PATH = "/v1/uploads"
#: What multipart adds to a file: boundaries and headers.
OVERHEAD_BYTES = 64 * 1024
MAX_URL_CHARACTERS = 4096
_CHUNK_BYTES = 1 << 20
_BINARY = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture itself with its content type, a form with one `file`, or where it is.",
        "content": {
            "image/png": {"schema": _BINARY},
            "image/jpeg": {"schema": _BINARY},
            "image/webp": {"schema": _BINARY},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "properties": {"url": {"type": "string", "format": "uri", "maxLength": MAX_URL_CHARACTERS}},
                    "additionalProperties": False,
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _BINARY},
                    "additionalProperties": False,
                },
                "encoding": {"file": {"contentType": "image/png, image/jpeg, image/webp"}},
            },
        },
    }
}


@router.post(
    PATH, status_code=201, response_model=Upload, responses=problems.documented(403, 413, 422), openapi_extra=_BODY
)
async def upload(
    request: Request,
    account: Account,
    service: Served,
    x_filename: Annotated[str | None, Header(max_length=200, pattern=r"^[ -~]+$")] = None,
) -> Response:
    """Store a PNG, JPEG or WebP picture; its id goes into a job's `images` or `mask`."""
    if _kind(request) == "application/json":
        stored = await service.fetch_picture(account, _url_in(await read_json(request)), "url")
        return JSONResponse(stored.model_dump(mode="json", exclude_none=True), 201)
    with tempfile.NamedTemporaryFile(prefix="upload-") as spool:
        filename = await _receive(request, spool, service.settings.max_input_bytes) or x_filename
        async with service.decoding:
            stored = await asyncio.to_thread(
                service.keep_picture, account, pathlib.Path(spool.name), filename and filename[:200]
            )
    return JSONResponse(stored.model_dump(mode="json", exclude_none=True), 201)


@router.get(PATH + "/{upload_id}", response_model=Upload, responses=problems.documented(404))
async def get(
    account: Account, service: Served, upload_id: Annotated[str, Path(pattern=r"^upl_[0-9a-f]{1,64}$")]
) -> Response:
    """What is known of an upload."""
    found = await asyncio.to_thread(service.store.upload, account, upload_id)
    return JSONResponse(found.model_dump(mode="json", exclude_none=True))


async def _receive(request: Request, spool: IO[bytes], max_bytes: int) -> str | None:
    """Writes the file into `spool`; returns its name if the sender told one."""
    kind = _kind(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        await _copy(request.stream(), spool, max_bytes)
        return None
    if kind != "multipart/form-data":
        raise InvalidRequest(
            f"The content type is {kind or 'missing'}.",
            field="content-type",
            remedy="Send the picture as PNG, JPEG or WebP with its type, a form with a `file`, or JSON, a `url`.",
        )
    async with request.form(max_files=1, max_fields=0) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("`file`: the form has no file of this name.", field="file")
        await _copy(_chunks(file), spool, max_bytes)
        return file.filename or None


def _url_in(body: Any) -> str:
    url = body.get("url") if isinstance(body, dict) and set(body) == {"url"} else None
    if not isinstance(url, str) or not 1 <= len(url) <= MAX_URL_CHARACTERS:
        raise InvalidRequest("The body is no object with nothing but a `url`.", field="url", value=url)
    return url


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK_BYTES):
        yield chunk


async def _copy(chunks: AsyncIterator[bytes], spool: IO[bytes], max_bytes: int) -> None:
    taken = 0
    async for chunk in chunks:
        taken += len(chunk)
        if taken > max_bytes:
            raise TooLarge(
                f"The file has more than {max_bytes} bytes.", field="file", remedy="Send a smaller one."
            )
        spool.write(chunk)
    if not taken:
        raise InvalidMedia("The file is empty.", field="file")
    spool.flush()
