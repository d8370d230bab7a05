"""The fields of OpenAI's videos, how they become native jobs, and a job as its video. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from omni_jobs.api.faces.fields import Field, Table, native_part
from omni_jobs.api.openai.image_fields import size_of
from omni_jobs.errors import InvalidRequest
from omni_jobs.faces.outcome import error_of, media_of, text_of
from omni_jobs.schemas import Job, JobRequest, ModelCard, Status, parse_job

VIDEO = Table(
    Field("prompt", note="1 to 32,000 characters"),
    Field("model", note="a model's name, an alias, or absent where one video model is served"),
    Field("size", note="`WIDTHxHEIGHT` within the model's limits"),
    Field("seconds", note="becomes `num_frames` at the model's frame rate, one more than a multiple of four"),
    Field("input_reference", note="a file of the form, or `{image_url}` or `{file_id}`", kind="object"),
    Field("user", "ignored", "accepted, without effect"),
)
STATUS = {Status.QUEUED: "queued", Status.RUNNING: "in_progress", Status.SUCCEEDED: "completed"}
#: Where the length that was asked for is kept in the job's `metadata`.
SECONDS = "seconds"
#: Frames a second where the model's card has no such parameter.
FRAME_RATE = 16
MAX_SECONDS = 60.0
#: Bounds of the pause that clients are asked to make between two looks, in milliseconds.
POLL_MS = (200, 5000)
UNKNOWN_POLL_MS = 1000


def job_of(picked: Mapping[str, Any], card: ModelCard, *, images: Sequence[str] = ()) -> JobRequest:
    """The native job; with a picture to begin from it is an edit. Raises InvalidRequest."""
    job = native_part(picked, card)
    job |= {
        "task": "edit" if images else "generate",
        "model": card.name,
        "prompt": picked.get("prompt", ""),
        "images": list(images),
        "parameters": {**size_of(picked, card), **_frames_of(picked, card), **job.get("parameters", {})},
    }
    if (
        job["parameters"].get("num_frames")
        and "seconds" in picked
        and isinstance(job.get("metadata", {}), Mapping)
    ):
        job["metadata"] = {**job.get("metadata", {}), SECONDS: str(picked["seconds"])}
    return parse_job(job)


def video_of(job: Job) -> dict[str, Any]:
    """The video as OpenAI shows it; its id is the job's."""
    error = error_of(job)
    made = next(iter(media_of(job)), None)
    given = job.request.parameters
    sides = (made.width, made.height) if made else (given.get("width"), given.get("height"))
    frames = given.get("num_frames", 0)
    ended = job.finished_at
    return {
        "id": job.id,
        "object": "video",
        "status": STATUS.get(job.status, "failed"),
        "progress": 100 if job.status is Status.SUCCEEDED else int(job.progress.percent) if job.progress else 0,
        "created_at": int(job.created_at.timestamp()),
        "completed_at": int(ended.timestamp()) if ended and job.status is Status.SUCCEEDED else None,
        "expires_at": int((ended + timedelta(seconds=job.request.ttl_seconds)).timestamp()) if ended else None,
        "model": job.request.model,
        "prompt": job.request.prompt,
        "size": f"{sides[0]}x{sides[1]}" if all(sides) else "auto",
        "seconds": job.request.metadata.get(SECONDS) or f"{frames / _rate(given):g}",
        "seed": job.seed,
        "error": {"code": error.code, "message": text_of(error)} if error else None,
    }


def poll_after_ms(eta_seconds: float | None) -> int:
    """How long a client shall wait before it looks again.

    It keeps the first answer's pause to the end, so this is a tenth of what is left, within bounds.
    """
    low, high = POLL_MS
    return UNKNOWN_POLL_MS if eta_seconds is None else int(min(high, max(low, eta_seconds * 100)))


def _frames_of(picked: Mapping[str, Any], card: ModelCard) -> dict[str, int]:
    if picked.get("seconds") is None:
        return {}
    try:
        seconds = float(picked["seconds"])
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidRequest(
            f"`seconds`: {picked['seconds']!r} is no length from 0 to {MAX_SECONDS:g}.", field="seconds"
        )
    if "num_frames" not in card.parameters_schema.get("properties", {}):
        raise InvalidRequest(f"`seconds`: model `{card.name}` makes no clips.", field="seconds")
    return {"num_frames": 4 * round(seconds * _rate(card.defaults) / 4) + 1}


def _rate(parameters: Mapping[str, Any]) -> float:
    return float(parameters.get("frame_rate") or parameters.get("fps") or FRAME_RATE)
