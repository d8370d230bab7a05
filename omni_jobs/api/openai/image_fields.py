"""The fields of OpenAI's image endpoints, and how their bodies become native jobs. Pure.

Used by the routes, by the batch face for its lines, and by the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.api.faces.fields import (
    NO_EFFECT,
    Field,
    Table,
    drawing,
    flag_field,
    text_field,
    whole_field,
)
from omni_jobs.api.faces.pictures import Given, given_text
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import JobRequest, ModelCard, parse_job

MAX_PARTIAL_IMAGES = 3
#: Pictures of one edit, as OpenAI has it; the model's own limit holds besides.
MAX_IMAGES = 16
_SIZE = re.compile(r"^(\d{1,5})x(\d{1,5})$")

_COMMON = (
    Field("prompt", note="1 to 32,000 characters"),
    Field("model", note="a model's name, an alias, or absent where one model is served"),
    Field("n", note="1 to 64, each with its own seed", kind="integer"),
    Field("size", note="`WIDTHxHEIGHT` within the model's limits, or `auto`"),
    Field("output_format", note="`png`, `jpeg`, `webp`"),
    Field("output_compression", note="0 to 100: the quality of JPEG and WebP", kind="integer"),
    Field("response_format", note="`b64_json` (default) or `url`"),
    Field("stream", note="server-sent events", kind="boolean"),
    Field("partial_images", note="0 to 3, from the job's previews", kind="integer"),
    Field("background", note="`auto` and `opaque`; `transparent` is refused"),
    Field("quality", "ignored", f"{NO_EFFECT}; steps and guidance say it better"),
    Field("moderation", "ignored", f"{NO_EFFECT}; moderation is the operator's"),
    Field("user", "ignored", NO_EFFECT),
    Field("safety_identifier", "ignored", NO_EFFECT),
    Field("style", "ignored", NO_EFFECT),
    Field("complexity", "ignored", NO_EFFECT),
    Field("frame_count", "refused", "animated GIF is not made here."),
    Field("frame_duration_ms", "refused", "animated GIF is not made here."),
    Field("svg", "refused", "SVG is not made here."),
)
GENERATION = Table(*_COMMON)
EDIT = Table(
    *_COMMON,
    Field("image", note="one file of a form, or `image[]` for up to 16"),
    Field(
        "images",
        note="JSON: `[{image_url}` or `{file_id}]`; data URIs, ids and links of ours, allowed URLs",
    ),
    Field("mask", note="a file, or `{image_url}` or `{file_id}`: transparent where to repaint", kind="object"),
    Field("input_fidelity", "ignored", NO_EFFECT),
)


@dataclass(frozen=True, slots=True)
class Answering:
    """How the client wants its answer, as far as that does not concern the job."""

    as_url: bool = False
    is_stream: bool = False
    partial_images: int = 0


def answering(picked: Mapping[str, Any]) -> Answering:
    """What the body says of the answer. Raises InvalidRequest."""
    form = text_field(picked, "response_format", ("url", "b64_json"))
    is_stream = flag_field(picked, "stream")
    partial = whole_field(picked, "partial_images", 0, MAX_PARTIAL_IMAGES) or 0
    if partial and not is_stream:
        raise InvalidRequest(
            "`partial_images` needs `stream`.", field="partial_images", value=partial, remedy="Set `stream`."
        )
    if is_stream and form == "url":
        raise InvalidRequest("`response_format`: streams carry the pictures themselves.", field="response_format")
    return Answering(form == "url", is_stream, partial)


def job_of(
    picked: Mapping[str, Any],
    card: ModelCard,
    *,
    images: Sequence[str] = (),
    mask: str | None = None,
    is_edit: bool = False,
    idempotency_key: str | None = None,
) -> JobRequest:
    """The native job. Raises InvalidRequest with the field's name."""
    job = drawing(picked, card, images, mask, count="n")
    text_field(picked, "background", ("auto", "opaque"))
    parameters = {**size_of(picked, card), **job.get("parameters", {})}
    job |= {
        "task": "edit" if is_edit else "generate",
        "output": _output_of(picked),
        "preview": job.get("preview", False) or answering(picked).partial_images > 0,
        "idempotency_key": idempotency_key,
    }
    return parse_job(job | ({"parameters": parameters} if parameters else {}))


def json_pictures(picked: Mapping[str, Any]) -> tuple[list[Given], Given | None]:
    """The pictures and the mask that a JSON body names. Raises InvalidRequest."""
    listed = picked.get("images", picked.get("image", []))
    members = listed if isinstance(listed, list) else [listed]
    if len(members) > MAX_IMAGES:
        raise InvalidRequest(f"`images`: {len(members)} given, at most {MAX_IMAGES}.", field="images")
    images = [reference_given(one, f"images.{place}") for place, one in enumerate(members)]
    mask = picked.get("mask")
    return images, None if mask is None else reference_given(mask, "mask")


def reference_given(reference: object, field: str) -> Given:
    """A picture as `{"image_url": ...}`, `{"file_id": ...}` or the text alone. Raises InvalidRequest."""
    if isinstance(reference, Mapping):
        named = [reference[name] for name in ("image_url", "file_id") if reference.get(name) is not None]
        if len(named) != 1 or set(reference) - {"image_url", "file_id"}:
            raise InvalidRequest(f"`{field}`: give either `image_url` or `file_id`.", field=field)
        # The vision API's habit: an object around the URL.
        reference = named[0].get("url") if isinstance(named[0], Mapping) else named[0]
    return given_text(reference, field)


def size_of(picked: Mapping[str, Any], card: ModelCard) -> dict[str, int]:
    """Width and height from `size`, if it says any. Raises InvalidRequest."""
    size = text_field(picked, "size")
    if size in (None, "auto"):
        return {}
    match = _SIZE.match(str(size))
    if match is None:
        raise InvalidRequest(
            f"`size`: {size!r} is no size.", field="size", value=size, remedy="Write 1024x768, or auto."
        )
    if not {"width", "height"} <= card.parameters_schema.get("properties", {}).keys():
        raise InvalidRequest(f"`size`: model `{card.name}` chooses it itself.", field="size", value=size)
    return {"width": int(match[1]), "height": int(match[2])}


def _output_of(picked: Mapping[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = {"format": text_field(picked, "output_format", ("png", "jpeg", "webp")) or "png"}
    compression = whole_field(picked, "output_compression", 0, 100)
    if compression is not None:
        output["quality"] = max(1, compression)
    return output
