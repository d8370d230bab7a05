"""A job as the fal queue shows it: status, result and webhook. Pure; the links are signed already."""

from __future__ import annotations

from typing import Any

from omni_jobs.faces.outcome import error_of, media_of, text_of
from omni_jobs.faces.replicate import bar_of
from omni_jobs.schemas import Artifact, Job, Status

#: The clients know three statuses: every end is COMPLETED, with an error or without.
STATUS = {Status.QUEUED: "IN_QUEUE", Status.RUNNING: "IN_PROGRESS"}
#: What fal calls those of our codes that it has a word for.
ERROR_TYPES = {"expired": "request_timeout", "deadline_exceeded": "request_timeout"}


def result_of(job: Job) -> dict[str, Any]:
    """What a finished job made."""
    files = [_file(one) for one in media_of(job)]
    name = "video" if any(str(one["content_type"]).startswith("video/") for one in files) else "images"
    made: Any = files if name == "images" else files[0]
    began = job.started_at or job.created_at
    seconds = (job.finished_at - began).total_seconds() if job.finished_at else 0.0
    return {name: made, "seed": job.seed, "prompt": job.request.prompt, "timings": {"inference": seconds}}


def status_of(job: Job, url: str, *, position: int = 0, has_logs: bool = False) -> dict[str, Any]:
    """How a job stands. `url` is its address at the face; `logs` is there always, as the clients need it."""
    word = STATUS.get(job.status, "COMPLETED")
    told: dict[str, Any] = {"status": word, "request_id": job.id, "logs": _logs(job) if has_logs else None}
    told |= {"response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}
    if word == "IN_QUEUE":
        told["queue_position"] = position
    if job.finished_at is not None:
        told["metrics"] = {
            "inference_time": (job.finished_at - (job.started_at or job.finished_at)).total_seconds()
        }
    error = error_of(job)
    if error is not None:
        told |= {"error": text_of(error), "error_type": ERROR_TYPES.get(error.code, error.code)}
    return told


def webhook_of(job: Job, _base: str) -> dict[str, Any]:
    """The body of fal's webhook."""
    error = error_of(job)
    told: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id}
    if error is None:
        return told | {"status": "OK", "payload": result_of(job), "error": None}
    detail = {"detail": text_of(error), "error_type": ERROR_TYPES.get(error.code, error.code)}
    return told | {"status": "ERROR", "payload": detail, "error": text_of(error)}


def _file(artifact: Artifact) -> dict[str, Any]:
    return {
        "url": artifact.url,
        "width": artifact.width,
        "height": artifact.height,
        "content_type": artifact.content_type,
        "file_name": artifact.key.rpartition("/")[2],
        "file_size": artifact.size_bytes,
        "seed": artifact.seed,
    }


def _logs(job: Job) -> list[dict[str, Any]]:
    if job.progress is None or not job.progress.steps:
        return []
    at = job.started_at or job.created_at
    return [{"message": bar_of(job.progress), "level": "INFO", "timestamp": at.isoformat()}]
