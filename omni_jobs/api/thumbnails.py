"""Outputs as small pictures, for lists that show many of them: made when first asked for, then kept for a while.

The same key opens them as opens their job. What an output shows never changes, so browsers keep them for good.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from omni_jobs.api import problems
from omni_jobs.api.artifacts import ArtifactId, artifact_of
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.api.shelf import SIDE, shrunk
from omni_jobs.errors import NotFound
from omni_jobs.schemas import Artifact
from omni_jobs.uploads import storage_errors_translated

router = APIRouter(tags=["artifacts"])
#: A larger output is not decoded here.
MAX_BYTES = 64 * 2**20


@router.get(
    "/v1/artifacts/{artifact_id}/thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller's copy is good for ever."},
        **problems.documented(404),
    },
)
async def thumbnail(request: Request, account: Account, service: Served, artifact_id: ArtifactId) -> Response:
    """A picture among the outputs as WebP, at most 384 pixels wide and high."""
    found = await asyncio.to_thread(artifact_of, service, account, artifact_id)
    tag = f'"{found.sha256[:32]}-{SIDE}"'
    headers = {
        "etag": tag,
        "cache-control": "private, max-age=31536000, immutable",
        "vary": "authorization",
        "x-content-type-options": "nosniff",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    picture = service.thumbnails.get(found.sha256)
    if picture is None:
        async with service.decoding:
            picture = await asyncio.to_thread(_made, service, found)
        service.thumbnails.put(found.sha256, picture)
    return Response(picture, 200, headers, media_type="image/webp")


def _made(service: Service, artifact: Artifact) -> bytes:
    reason: object = f"it is {artifact.content_type}"
    if artifact.content_type.startswith("image/") and artifact.size_bytes <= MAX_BYTES:
        with storage_errors_translated():
            data = service.objects.get(artifact.key)
        try:
            return shrunk(data)
        except (OSError, ValueError) as error:
            reason = error
    raise NotFound(f"{artifact.id} has no thumbnail: {reason}.", field="artifact_id", value=artifact.id)
