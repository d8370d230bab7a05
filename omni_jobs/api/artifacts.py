"""Outputs: a fresh link for each reader, and the objects of a folder behind such links.

A link is all that an `<img>` sends, so the route that serves a folder asks for no key: it checks the signature.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from omni_jobs.api import problems
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.errors import Forbidden, NotFound
from omni_jobs.names import job_of_artifact
from omni_jobs.object_links import OBJECTS_PATH
from omni_jobs.schemas import Artifact
from omni_jobs.uploads import storage_errors_translated
from storage import LocalStore, ObjectInfo
from storage import errors as storage_errors
from storage.links import Link, content_disposition

router = APIRouter(tags=["artifacts"])
ArtifactId = Annotated[str, Path(pattern=r"^art_[0-9a-f]{1,64}_\d{1,4}$")]
CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"^bytes=(\d{0,15})-(\d{0,15})$")


@router.get(
    "/v1/artifacts/{artifact_id}",
    status_code=307,
    response_class=Response,
    responses={307: {"description": "The output is at this signed link."}, **problems.documented(404)},
)
async def artifact(request: Request, account: Account, service: Served, artifact_id: ArtifactId) -> Response:
    """Leads to the output by a link made now."""
    found = await asyncio.to_thread(artifact_of, service, account, artifact_id)
    signed = service.links.sign(found, service.base(request))
    return RedirectResponse(signed.url or "", 307, {"cache-control": "no-store"})


def artifact_of(service: Service, account: str, artifact_id: str) -> Artifact:
    """An output of the account's. Raises NotFound."""
    place = job_of_artifact(artifact_id)
    job = service.store.get(account, place[0] if place else "")
    for one in job.artifacts:
        if one.id == artifact_id:
            return one
    raise NotFound(f"Job {job.id} has no artifact {artifact_id}.", field="artifact_id", value=artifact_id)


@router.get(
    OBJECTS_PATH + "{key:path}",
    response_class=Response,
    responses={
        200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The part that was asked for."},
        416: {"description": "No such part."},
        **problems.documented(404),
    },
)
async def stored_object(
    request: Request, service: Served, key: Annotated[str, Path(min_length=1, max_length=900)]
) -> Response:
    """An object of the local store, for whoever holds a valid link to it."""
    objects = service.objects
    if not isinstance(objects, LocalStore):
        raise NotFound("Objects of this deployment are in a bucket, which serves its own links.")
    try:
        link = objects.verify_presigned(key, dict(request.query_params))
    except storage_errors.LinkRefused as error:
        raise Forbidden(error.message, field="signature", remedy=error.remedy) from error
    with storage_errors_translated():
        info = await asyncio.to_thread(objects.head, key)
        file = await asyncio.to_thread(objects.open, key)
    return _serve(file, info, link, request.headers.get("range"))


def _serve(file: BinaryIO, info: ObjectInfo, link: Link, wanted: str | None) -> Response:
    headers = {
        "content-type": link.content_type or info.content_type,
        "accept-ranges": "bytes",
        "etag": f'"{info.sha256}"',
        "cache-control": "private, max-age=3600",
        # What a stranger's prompt drew must not run as a page of ours.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'",
        "cross-origin-resource-policy": "cross-origin",
    }
    if link.filename is not None:
        headers["content-disposition"] = content_disposition(link.filename)
    part = _part(wanted, info.size_bytes)
    if part is None:
        headers["content-length"] = str(info.size_bytes)
        return StreamingResponse(_read(file, 0, info.size_bytes), 200, headers)
    first, end = part
    if first >= end:
        file.close()
        return Response(status_code=416, headers={"content-range": f"bytes */{info.size_bytes}"})
    headers |= {
        "content-length": str(end - first),
        "content-range": f"bytes {first}-{end - 1}/{info.size_bytes}",
    }
    return StreamingResponse(_read(file, first, end - first), 206, headers)


def _part(wanted: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and end of a single range; None for everything, which is also the answer to what is no range."""
    match = _RANGE.match(wanted or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size_bytes - int(match[2])), size_bytes
    end = min(size_bytes, int(match[2]) + 1) if match[2] else size_bytes
    return int(match[1]), end


def _read(file: BinaryIO, first: int, count: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while count > 0 and (chunk := file.read(min(CHUNK_BYTES, count))):
            count -= len(chunk)
            yield chunk
