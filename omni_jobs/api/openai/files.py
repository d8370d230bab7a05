"""Files for OpenAI's clients (`file` and `purpose` in a form) and Replicate's (`content`): batches, pictures."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import Path as PathField
from fastapi import Query, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response, StreamingResponse

from omni_jobs.api.artifacts import CHUNK_BYTES
from omni_jobs.api.faces.asking import face_router
from omni_jobs.api.faces.fields import Field, Table, text_field, unfolded
from omni_jobs.api.faces.files import (
    add_file,
    add_picture_file,
    delete_file,
    list_files,
    looks_like_a_picture,
)
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import InvalidRequest, TooLarge
from omni_jobs.schemas.files import StoredFile
from omni_jobs.uploads import storage_errors_translated

router = face_router("openai: files")
PATH = "/v1/files"
FileId = Annotated[str, PathField(pattern=r"^file-[0-9a-f]{1,64}$")]
#: Bytes of a batch's lines.
MAX_BATCH_BYTES = 200_000_000
MAX_LIST = 10_000
#: A file lives so long unless the client says otherwise; what a client may say, in seconds.
FILE_LIFE_SECONDS = 30 * 24 * 3600
LIFE_SECONDS = (3600, 30 * 24 * 3600)
PURPOSES = ("batch", "vision", "user_data")
FILE = Table(
    Field("file", note="up to 200 MB of lines, or one picture"),
    Field("purpose", note="`batch`, `vision` (a picture), `user_data`"),
    Field(
        "expires_after",
        note="`anchor` is `created_at`, `seconds` 3,600 to 2,592,000; 30 days if absent",
        kind="object",
    ),
)


@router.post(PATH)
async def create(request: Request, account: Account, service: Served) -> Response:
    """Keep a file."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise InvalidRequest("A file comes in a form.", field="content-type", remedy="Send multipart/form-data.")
    async with request.form(max_files=2, max_fields=20) as form:
        if isinstance(content := form.get("content"), UploadFile):
            file = await _spooled(content, service.settings.max_input_bytes, _replicate(service, account))
            return JSONResponse(replicate_file(file, service.base(request)), 201)
        upload, purpose, life = _asked(form)
        limit = MAX_BATCH_BYTES if purpose == "batch" else service.settings.max_input_bytes

        def keep(path: Path, filename: str) -> StoredFile:
            if purpose == "vision" or (purpose == "user_data" and looks_like_a_picture(path)):
                return add_picture_file(
                    service, account, path, face="openai", purpose=purpose, filename=filename, life_seconds=life
                )
            return add_file(service, account, path, purpose=purpose, filename=filename, life_seconds=life)

        return JSONResponse(openai_file(await _spooled(upload, limit, keep)))


@router.get(PATH)
async def page(
    request: Request,
    account: Account,
    service: Served,
    purpose: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIST)] = MAX_LIST,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> Response:
    """The account's files; `results` are those of Replicate's clients."""
    files = await asyncio.to_thread(list_files, service, account)
    own = [file for file in files if purpose in (None, file.purpose)]
    shown, has_more = paged([openai_file(file) for file in own], after, limit, order)
    results = [replicate_file(file, service.base(request)) for file in own if file.face == "replicate"]
    return JSONResponse({**listing(shown, has_more), "results": results})


@router.get(PATH + "/{file_id}")
async def get(request: Request, account: Account, service: Served, file_id: FileId) -> Response:
    """What is known of a file."""
    file = await asyncio.to_thread(service.store.file, account, file_id)
    if file.face == "replicate":
        return JSONResponse(replicate_file(file, service.base(request)))
    return JSONResponse(openai_file(file))


@router.get(PATH + "/{file_id}/content")
async def content(account: Account, service: Served, file_id: FileId) -> Response:
    """The bytes of a file."""
    file = await asyncio.to_thread(service.store.file, account, file_id)
    with storage_errors_translated():
        opened = await asyncio.to_thread(service.objects.open, file.key)
    headers = {"content-length": str(file.size_bytes), "x-content-type-options": "nosniff"}
    return StreamingResponse(object_chunks(opened), headers=headers, media_type=file.content_type)


@router.delete(PATH + "/{file_id}")
async def delete(account: Account, service: Served, file_id: FileId) -> Response:
    """Delete a file."""
    file = await asyncio.to_thread(delete_file, service, account, file_id)
    if file.face == "replicate":
        return Response(status_code=204)
    return JSONResponse({"id": file.id, "object": "file", "deleted": True})


def openai_file(file: StoredFile) -> dict[str, Any]:
    """The file as OpenAI shows it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": file.expires_at and int(file.expires_at.timestamp()),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }


def replicate_file(file: StoredFile, base: str) -> dict[str, Any]:
    """The file as Replicate shows it."""
    return {
        "id": file.id,
        "name": file.filename,
        "content_type": file.content_type,
        "size": file.size_bytes,
        "etag": file.sha256,
        "checksums": {"sha256": file.sha256},
        "metadata": {},
        "created_at": file.created_at.isoformat(),
        "expires_at": file.expires_at and file.expires_at.isoformat(),
        "urls": {"get": f"{base}{PATH}/{file.id}"},
    }


def paged(
    items: list[dict[str, Any]], after: str | None, limit: int, order: str
) -> tuple[list[dict[str, Any]], bool]:
    """One page of items that stand newest first, after the one with the id `after`, and whether more follow.

    Raises:
        InvalidRequest: there is no item `after`, or no longer.
    """
    ordered = items if order == "desc" else items[::-1]
    ids = [item["id"] for item in ordered]
    if after is not None and after not in ids:  # the first page again would never end
        raise InvalidRequest(f"`after`: {after!r:.80} is not in this list.", field="after", value=after)
    begin = 0 if after is None else ids.index(after) + 1
    return ordered[begin : begin + limit], begin + limit < len(ordered)


def listing(items: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A page as OpenAI's clients read it."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": items, "has_more": has_more, "first_id": first, "last_id": last}


def _asked(form: FormData) -> tuple[UploadFile, str, int]:
    """The file, its purpose, and how many seconds it lives."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidRequest("`file`: the form has no file of this name.", field="file")
    body = FILE.pick(unfolded((name, value) for name, value in form.multi_items() if isinstance(value, str)))
    purpose = text_field(body, "purpose", PURPOSES)
    if purpose is None:
        raise InvalidRequest("`purpose` is missing.", field="purpose", remedy=f"Say {', '.join(PURPOSES)}.")
    return upload, purpose, life_seconds(body.get("expires_after"), "expires_after") or FILE_LIFE_SECONDS


def life_seconds(policy: Any, field: str) -> int | None:
    """Seconds of `{"anchor": "created_at", "seconds": ...}`. Raises InvalidRequest."""
    if policy is None:
        return None
    try:
        seconds = int(policy["seconds"])
        is_known = policy["anchor"] == "created_at"
    except (KeyError, TypeError, ValueError, OverflowError):
        seconds, is_known = 0, False
    low, high = LIFE_SECONDS
    if not is_known or not low <= seconds <= high:
        raise InvalidRequest(
            f"`{field}`: {json.dumps(policy, default=str)[:200]} is no expiry.",
            field=field,
            remedy=f"Give `anchor` as created_at and `seconds` from {low} to {high}.",
        )
    return seconds


Keep = Callable[[Path, str], StoredFile]


def _replicate(service: Service, account: str) -> Keep:
    def keep(path: Path, filename: str) -> StoredFile:
        return add_picture_file(
            service,
            account,
            path,
            face="replicate",
            purpose="vision",
            filename=filename,
            life_seconds=FILE_LIFE_SECONDS,
        )

    return keep


async def _spooled(upload: UploadFile, max_bytes: int, keep: Keep) -> StoredFile:
    """Copies a form's file to disk, within its limit, and has it kept."""
    with tempfile.NamedTemporaryFile(prefix="file-") as spool:
        taken = 0
        while chunk := await upload.read(CHUNK_BYTES):
            taken += len(chunk)
            if taken > max_bytes:
                raise TooLarge(f"The file has more than {max_bytes} bytes.", field="file")
            spool.write(chunk)
        spool.flush()
        return await asyncio.to_thread(keep, Path(spool.name), upload.filename or "file")


def object_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of an opened object, which is closed at the end."""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
