"""The fields of a prediction, and how its `input` becomes a native job. Pure but for the names of pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omni_jobs.api.faces.fields import NO_EFFECT, Field, Table, drawing, extras_of, text_field, whole_field
from omni_jobs.api.faces.pictures import Given, given_text
from omni_jobs.errors import InvalidRequest
from omni_jobs.faces.replicate import OWN_ID
from omni_jobs.schemas import JobRequest, ModelCard, nearest, parse_job

PREDICTION = Table(
    Field("version", note="a model's name or alias; also as `owner/name:version`"),
    Field("model", note="the same"),
    Field("input", note="see below"),
    Field("webhook", note="where the whole prediction is sent, signed by Standard Webhooks"),
    Field("webhook_events_filter", note="`start`, `output`, `logs`, `completed`; all if absent"),
    Field("webhook_completed", note="as `webhook` with the filter `completed`"),
    Field("stream", "ignored", "every prediction has `urls.stream`"),
    Field("id", note="Cog: with `PUT`, the same as in the path"),
    Field("context", "ignored", NO_EFFECT),
    Field("created_at", "ignored", NO_EFFECT),
    Field("started_at", "ignored", NO_EFFECT),
    Field("output_file_prefix", "refused", "outputs are put where the operator keeps them."),
)
INPUT = Table(
    Field("prompt", note="1 to 32,000 characters"),
    Field(
        "image",
        note="what to change: a data URI, an uploaded file, an id or a link of ours, an allowed URL",
    ),
    Field("input_image", note="the same"),
    Field("images", note="several of them"),
    Field("mask", note="white where to repaint"),
    Field("num_outputs", note="1 to 64", kind="integer"),
    Field("output_format", note="`png`, `jpg`, `jpeg`, `webp`, and what else the model makes"),
    Field("output_quality", note="0 to 100: the quality of JPEG and WebP", kind="integer"),
    Field("disable_safety_checker", "ignored", "moderation is the operator's"),
    Field("go_fast", "ignored", NO_EFFECT),
    Field("aspect_ratio", "refused", "give `width` and `height`."),
    Field("megapixels", "refused", "give `width` and `height`."),
)
CLIENTS_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
EVENTS: dict[str, tuple[str, ...]] = {
    "start": ("job.started",),
    "output": ("job.output",),
    "logs": ("job.progress",),
    "completed": ("job.succeeded", "job.failed", "job.canceled", "job.expired"),
}


def pictures_of(picked: Mapping[str, Any]) -> tuple[list[Given], Given | None]:
    """The pictures to change, and the mask. Raises InvalidRequest."""
    named: list[tuple[str, Any]] = [(name, picked[name]) for name in ("image", "input_image") if name in picked]
    listed = picked.get("images", [])
    if not isinstance(listed, list):
        raise InvalidRequest("`input.images` is a list.", field="input.images", value=listed)
    named += [(f"images.{place}", one) for place, one in enumerate(listed)]
    mask = picked.get("mask")
    return [given_text(one, f"input.{name}") for name, one in named], (
        None if mask is None else given_text(mask, "input.mask")
    )


def picked_input(body: Mapping[str, Any], card: ModelCard) -> dict[str, Any]:
    """The fields of `input` that mean something. Raises InvalidRequest."""
    given = body.get("input", {})
    if not isinstance(given, Mapping):
        raise InvalidRequest("`input` is an object.", field="input", value=given)
    return INPUT.pick(given, extras_of(card))


def own_id_of(body: Mapping[str, Any]) -> str | None:
    """The id that the client gave its prediction. Raises InvalidRequest: no id of a path, or one that is ours."""
    own_id = text_field(body, "id")
    if own_id is None or (CLIENTS_ID.fullmatch(own_id) and not own_id.startswith("job_")):
        return own_id
    raise InvalidRequest(
        f"`id`: {own_id!r:.80} cannot be an id of yours.",
        field="id",
        value=own_id,
        remedy="Use 1 to 128 letters, digits, `_`, `-` and `.`, not beginning with `job_`.",
    )


def job_of(
    body: Mapping[str, Any],
    picked: Mapping[str, Any],
    card: ModelCard,
    *,
    images: Sequence[str] = (),
    mask: str | None = None,
    idempotency_key: str | None = None,
) -> JobRequest:
    """The native job of a prediction; with a picture it is an edit. Raises InvalidRequest."""
    job = drawing(picked, card, images, mask, count="num_outputs")
    output: dict[str, Any] = {}
    if form := text_field(picked, "output_format"):
        output["format"] = "jpeg" if form == "jpg" else form
    if (quality := whole_field(picked, "output_quality", 0, 100)) is not None:
        output["quality"] = max(1, quality)
    own_id = own_id_of(body)
    job |= {
        "output": output,
        "webhook": _webhook_of(body) or job.get("webhook"),
        "idempotency_key": idempotency_key,
    }
    if own_id is not None:
        job["metadata"] = {**job.get("metadata", {}), OWN_ID: own_id}
    return parse_job(job)


def _webhook_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    url = text_field(body, "webhook")
    wanted = body.get("webhook_events_filter", list(EVENTS))
    if url is None and (url := text_field(body, "webhook_completed")) is not None:
        wanted = ["completed"]
    if url is None:
        return None
    if not isinstance(wanted, list):
        raise InvalidRequest("`webhook_events_filter` is a list.", field="webhook_events_filter", value=wanted)
    for one in wanted:
        if one not in EVENTS:
            raise InvalidRequest(
                f"`webhook_events_filter`: {one!r} is no event.",
                field="webhook_events_filter",
                value=one,
                remedy=nearest(str(one), EVENTS),
            )
    return {"url": url, "events": [type for one in wanted for type in EVENTS[one]], "format": "replicate"}
