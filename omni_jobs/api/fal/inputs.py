"""The fields of a fal request and its headers, and how they become a native job. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omni_jobs.api.faces.fields import NO_EFFECT, Field, Table, drawing, extras_of, text_field
from omni_jobs.api.faces.pictures import Given, given_text
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import DEFAULT_PRIORITY, JobRequest, ModelCard, nearest, parse_job

INPUT = Table(
    Field("prompt", note="1 to 32,000 characters"),
    Field(
        "image_url",
        note="what to change: a data URI, an id or a link of ours, an allowed URL",
    ),
    Field("image_urls", note="several of them"),
    Field("mask_url", note="white where to repaint"),
    Field("image_size", note="`{width, height}` or `square_hd`, `square`, `portrait_4_3`, ... `landscape_16_9`"),
    Field("num_images", note="1 to 64", kind="integer"),
    Field("output_format", note="`png`, `jpeg`, `webp`, and what else the model makes"),
    Field("sync_mode", "ignored", "results are links"),
    Field("enable_safety_checker", "ignored", "moderation is the operator's"),
    Field("safety_tolerance", "ignored", "moderation is the operator's"),
    Field("acceleration", "ignored", NO_EFFECT),
    Field("enable_prompt_expansion", "ignored", NO_EFFECT),
)
HEADERS = Table(
    Field("fal_webhook", note="in the query: told once, when the job has ended"),
    Field("X-Fal-Queue-Priority", note="`normal` or `low`"),
    Field("X-Fal-Object-Lifecycle-Preference", note="`expiration_duration_seconds`: how long the job is kept"),
    Field("X-Fal-Request-Timeout", "ignored", "give `deadline` with the input: it holds for the running job too"),
    Field("X-Fal-No-Retry", "ignored", "an attempt that a crash took is made again"),
    Field("X-Fal-Runner-Hint", "ignored", NO_EFFECT),
)
SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
PRIORITIES = {"normal": DEFAULT_PRIORITY, "low": 2}
ENDINGS = ("job.succeeded", "job.failed", "job.canceled", "job.expired")


def picked_input(body: Mapping[str, Any], card: ModelCard) -> dict[str, Any]:
    """The fields that mean something. Raises InvalidRequest."""
    return INPUT.pick(body, extras_of(card))


def pictures_of(picked: Mapping[str, Any]) -> tuple[list[Given], Given | None]:
    """The pictures to change, and the mask. Raises InvalidRequest."""
    listed = picked.get("image_urls", [])
    if not isinstance(listed, list):
        raise InvalidRequest("`image_urls` is a list.", field="image_urls", value=listed)
    named = [("image_url", picked["image_url"])] if "image_url" in picked else []
    named += [(f"image_urls.{place}", one) for place, one in enumerate(listed)]
    mask = picked.get("mask_url")
    return [given_text(one, name) for name, one in named], None if mask is None else given_text(mask, "mask_url")


def job_of(
    picked: Mapping[str, Any],
    card: ModelCard,
    *,
    images: Sequence[str] = (),
    mask: str | None = None,
    webhook: str | None = None,
    headers: Mapping[str, str],
) -> JobRequest:
    """The native job; with a picture it is an edit. Raises InvalidRequest."""
    job = drawing(picked, card, images, mask, count="num_images")
    parameters = {**_size_of(picked), **job.get("parameters", {})}
    form = text_field(picked, "output_format")
    job = _from_headers(headers) | job
    job |= {
        "output": {"format": form} if form else {},
        "parameters": parameters,
    }
    if webhook is not None:
        job["webhook"] = {"url": webhook, "events": ENDINGS, "format": "fal"}
    return parse_job(job)


def _size_of(picked: Mapping[str, Any]) -> dict[str, Any]:
    size = picked.get("image_size")
    if size is None:
        return {}
    if isinstance(size, Mapping) and set(size) == {"width", "height"}:
        return dict(size)
    if not isinstance(size, str) or size not in SIZES:
        raise InvalidRequest(
            f"`image_size`: {size!r:.80} is no size.", field="image_size", value=size,
            remedy=nearest(str(size), SIZES),
        )  # fmt: skip
    width, height = SIZES[size]
    return {"width": width, "height": height}


def _from_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    job: dict[str, Any] = {}
    if priority := headers.get("x-fal-queue-priority"):
        if priority not in PRIORITIES:
            raise InvalidRequest(
                f"`X-Fal-Queue-Priority`: {priority!r} is neither normal nor low.", field="x-fal-queue-priority"
            )
        job["priority"] = PRIORITIES[priority]
    if wish := headers.get("x-fal-object-lifecycle-preference"):
        try:
            seconds = json.loads(wish).get("expiration_duration_seconds")
        except (ValueError, AttributeError) as error:
            raise InvalidRequest(
                "`X-Fal-Object-Lifecycle-Preference` is no JSON object.", field="x-fal-object-lifecycle-preference"
            ) from error
        if seconds is not None:
            job["ttl_seconds"] = seconds
    return job
