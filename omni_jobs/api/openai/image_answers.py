"""A finished job as OpenAI's images response, and its pictures as the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omni_jobs.faces.outcome import media_of
from omni_jobs.schemas import Artifact, Job

#: The kinds of events by the native task.
EVENT_KIND = {"generate": "image_generation", "edit": "image_edit"}


def images_response(job: Job, pictures: Sequence[str | None]) -> dict[str, Any]:
    """The whole answer. `pictures` are base64 texts, or None where the artifact's signed `url` is the answer.

    Beside OpenAI's fields: `id` is the native job, and each picture tells its own id, seed and size.
    """
    data = [_image(one, text, job.revised_prompt) for one, text in zip(media_of(job), pictures, strict=True)]
    ended = job.finished_at or job.created_at
    return {"id": job.id, "created": int(ended.timestamp()), "data": data, **_look(job), "usage": usage(job)}


def partial_event(job: Job, picture: str, index: int, output_format: str) -> tuple[str, dict[str, Any]]:
    """Name and data of a partial image."""
    name = f"{EVENT_KIND[job.request.task]}.partial_image"
    data = {"type": name, "b64_json": picture, "partial_image_index": index, "created_at": _now_of(job)}
    return name, {**data, **_look(job), "output_format": output_format}


def completed_event(job: Job, artifact: Artifact, picture: str) -> tuple[str, dict[str, Any]]:
    """Name and data of one finished picture."""
    name = f"{EVENT_KIND[job.request.task]}.completed"
    told = {"type": name, "created_at": _now_of(job), **_look(job), "usage": usage(job)}
    return name, told | _image(artifact, picture, job.revised_prompt) | {"job": job.id}


def usage(job: Job) -> dict[str, Any]:
    """No tokens are counted here: zeros, because clients add them up, and the device seconds beside them."""
    counts = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    details = {"input_tokens_details": {"text_tokens": 0, "image_tokens": 0}}
    seconds = job.sharing.device_seconds if job.sharing else 0.0
    return {**counts, **details, "device_seconds": round(seconds, 3)}


def due_partial(percent: float, sent: int, wanted: int) -> bool:
    """Whether the next of `wanted` partial images is due: they are spread evenly over the job."""
    return sent < wanted and percent >= 100 * (sent + 1) / (wanted + 1)


def _image(artifact: Artifact, picture: str | None, revised_prompt: str | None) -> dict[str, Any]:
    return {
        "b64_json": picture,
        "url": artifact.url if picture is None else None,
        "revised_prompt": revised_prompt,
        "id": artifact.id,
        "seed": artifact.seed,
        "width": artifact.width,
        "height": artifact.height,
        "content_type": artifact.content_type,
        "file_size": artifact.size_bytes,
    }


def _look(job: Job) -> dict[str, Any]:
    """What OpenAI tells of the pictures as a whole."""
    first = next(iter(media_of(job)), None)
    given = job.request.parameters
    sides = (first.width, first.height) if first else (given.get("width"), given.get("height"))
    size = f"{sides[0]}x{sides[1]}" if all(sides) else "auto"
    return {
        "background": "opaque",
        "output_format": job.request.output.format or "png",
        "quality": "auto",
        "size": size,
    }


def _now_of(job: Job) -> int:
    return int((job.finished_at or job.started_at or job.created_at).timestamp())
