"""Files of OpenAI batches: each line a request, `{"custom_id", "method", "url", "body"}`, read as a job.

`docs/bulk.md` says which fields are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from omni_jobs.bulk.manifest.requests import framed
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import JobRequest

#: Fields of a body that say nothing about the pictures here.
IGNORED = {"user", "quality", "style", "background", "moderation", "response_format", "stream", "partial_images"}
Body = Mapping[str, Any]
Fields = dict[str, Any]


def is_batch_row(values: Mapping[str, Any]) -> bool:
    """Whether a line looks like one of an OpenAI batch."""
    return "custom_id" in values and "body" in values


def job_of_row(values: Mapping[str, Any]) -> Fields:
    """The native job that a line means; its `id` is the `custom_id`.

    Raises:
        InvalidRequest: a field is missing or unknown, or the endpoint makes no pictures.
    """
    request = framed(0, values)
    if request.url not in ENDPOINTS:
        raise InvalidRequest(
            f"`url`: {request.url!r} makes no pictures.",
            field="url",
            value=request.url,
            remedy=f"POST to one of {', '.join(ENDPOINTS)}.",
        )
    return {**ENDPOINTS[request.url](request.body), "id": request.custom_id}


def _generation(body: Body) -> Fields:
    job: Fields = {}
    parameters: Fields = dict(body.get("parameters") or {})
    output: Fields = dict(body.get("output") or {})
    for name, value in body.items():
        if value is None or name in IGNORED | {"parameters", "output", "image", "images"}:
            continue
        if name == "size":
            parameters |= _size(value)
        elif name in RENAMED:
            output[RENAMED[name]] = value
        elif name in JobRequest.model_fields or name == "n":
            job["num_outputs" if name == "n" else name] = value
        else:
            parameters[name] = value
    return job | {name: part for name, part in (("parameters", parameters), ("output", output)) if part}


def _edit(body: Body) -> Fields:
    job = _generation(body) | {"task": "edit"}
    given = body.get("images", body.get("image", []))
    job["images"] = [_reference(one) for one in (given if isinstance(given, list) else [given])]
    return job | ({"mask": _reference(body["mask"])} if body.get("mask") else {})


def _reference(given: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get("file_id") or given.get("image_url")
    return given


def _size(given: Any) -> Fields:
    if given == "auto":
        return {}
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(given))
    if sides is None:
        raise InvalidRequest(
            f"`size`: {given!r} is no size.", field="size", value=given, remedy="Write 1024x1024."
        )
    return {"width": int(sides[1]), "height": int(sides[2])}


RENAMED = {"output_format": "format", "output_compression": "quality"}
ENDPOINTS: dict[str, Callable[[Body], Fields]] = {
    "/v1/images/generations": _generation,
    "/v1/images/edits": _edit,
    "/v1/videos": _generation,
}
