"""The lines of an OpenAI batch: parsed, checked against the catalogue, and told what became of them. Pure.

One row for each endpoint that a batch may ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.api.faces.catalogue import find_model
from omni_jobs.api.faces.failures import openai_error, status_of
from omni_jobs.api.faces.fields import Table, extras_of
from omni_jobs.api.faces.pictures import Given
from omni_jobs.api.openai import image_fields, video_shapes
from omni_jobs.api.openai.image_answers import images_response
from omni_jobs.bulk.manifest import BatchRequest, Problem
from omni_jobs.errors import InvalidRequest, OmniJobsError
from omni_jobs.faces.outcome import error_of, media_of, text_of
from omni_jobs.schemas import Job, JobError, JobRequest, ModelCard
from omni_jobs.schemas.batches import Batch, BatchProblem

#: Lines give way to what somebody waits for.
BATCH_PRIORITY = 3
Pictures = tuple[list[Given], Given | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the lines of one endpoint are read."""

    table: Table
    media: str
    pictures: Callable[[Mapping[str, Any]], Pictures]
    job: Callable[[Mapping[str, Any], ModelCard, Sequence[str], str | None], JobRequest]
    body: Callable[[Job], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `number` counts from 1."""

    number: int
    card: ModelCard
    picked: dict[str, Any]
    pictures: Pictures


def _no_pictures(_picked: Mapping[str, Any]) -> Pictures:
    return [], None


def _reference(picked: Mapping[str, Any]) -> Pictures:
    given = picked.get("input_reference")
    return ([] if given is None else [image_fields.reference_given(given, "input_reference")]), None


def _images_of(job: Job) -> dict[str, Any]:
    return images_response(job, [None] * len(media_of(job)))


ENDPOINTS = {
    "/v1/images/generations": Endpoint(
        image_fields.GENERATION,
        "image",
        _no_pictures,
        lambda picked, card, _images, _mask: image_fields.job_of(picked, card),
        _images_of,
    ),
    "/v1/images/edits": Endpoint(
        image_fields.EDIT,
        "image",
        image_fields.json_pictures,
        lambda picked, card, images, mask: image_fields.job_of(
            picked, card, images=images, mask=mask, is_edit=True
        ),
        _images_of,
    ),
    "/v1/videos": Endpoint(
        video_shapes.VIDEO,
        "video",
        _reference,
        lambda picked, card, images, _mask: video_shapes.job_of(picked, card, images=images),
        video_shapes.video_of,
    ),
}


def line_of(request: BatchRequest, endpoint: str, cards: Sequence[ModelCard], aliases: Mapping[str, str]) -> Line:
    """A line that can be asked for. Raises InvalidRequest, by the field's name."""
    how, model = ENDPOINTS[endpoint], request.body.get("model")
    if model is not None and not isinstance(model, str):
        raise InvalidRequest(f"`model`: {model!r:.80} is no name.", field="model")
    card = find_model(cards, model, aliases=aliases, media=how.media)
    picked = how.table.pick(request.body, extras_of(card))
    if picked.get("stream"):
        raise InvalidRequest("`stream`: a batch has no streams.", field="stream")
    line = Line(request.number, card, picked, how.pictures(picked))
    # With names in the place of ids.
    images, mask = line.pictures
    card.validate_job(how.job(picked, card, [one.field for one in images], mask.field if mask else None))
    return line


def problem_of(problem: Problem) -> BatchProblem:
    """What is wrong with a line, as OpenAI shows it."""
    is_field = isinstance(problem.column, str)
    place = f", character {problem.column}," if isinstance(problem.column, int) else ""
    return BatchProblem(
        code=problem.code,
        message=problem.message if is_field else f"The line{place} {problem.message}",
        line=problem.number,
        param=str(problem.column) if is_field else None,
    )


def job_of(line: Line, batch: Batch, images: Sequence[str], mask: str | None) -> JobRequest:
    """The native job of a line: it ends with its batch and gives way to others, unless it says otherwise."""
    job = ENDPOINTS[batch.endpoint].job(line.picked, line.card, images, mask)
    kept = (batch.expires_at - batch.created_at).total_seconds() + batch.output_life_seconds
    changes: dict[str, Any] = {"tags": (*job.tags[:15], batch.id), "ttl_seconds": round(kept)}
    changes["deadline"] = min(filter(None, (job.deadline, batch.expires_at)))
    if "priority" not in line.picked:
        changes["priority"] = BATCH_PRIORITY
    return job.model_copy(update=changes)


def job_id_of(batch: Batch, number: int) -> str:
    """The job of a line: the same each time, so that a runner may begin anew."""
    return f"job_{hashlib.sha256(f'{batch.id}/{number}'.encode()).hexdigest()[:28]}"


def result_row(batch: Batch, custom_id: str, number: int, job: Job) -> dict[str, Any]:
    """What a succeeded line says in the output file. Links last as long as the outputs, and need the key."""
    links = {one.id: f"{batch.base}/v1/artifacts/{one.id}" for one in job.artifacts}
    linked = tuple(one.model_copy(update={"url": links[one.id]}) for one in job.artifacts)
    body = ENDPOINTS[batch.endpoint].body(job.model_copy(update={"artifacts": linked}))
    response = {"status_code": 200, "request_id": job.id, "body": body}
    return {"id": _row_id(batch, number), "custom_id": custom_id, "response": response, "error": None}


def error_row(
    batch: Batch, custom_id: str, number: int, code: str, message: str, job: Job | None = None
) -> dict[str, Any]:
    """What a line that made nothing says in the error file."""
    response, error = None, error_of(job) if job else None
    if job is not None and error is not None:
        body = {"error": openai_error(error)}
        response = {"status_code": status_of(error), "request_id": job.id, "body": body}
    told = {"code": code, "message": message}
    return {"id": _row_id(batch, number), "custom_id": custom_id, "response": response, "error": told}


def code_and_text(error: JobError | OmniJobsError) -> tuple[str, str]:
    """An error's code and words."""
    return error.code, text_of(error) if isinstance(error, JobError) else str(error)


def openai_batch(batch: Batch) -> dict[str, Any]:
    """The batch as OpenAI shows it; `failures` counts failed lines by code."""
    problems = [one.model_dump() for one in batch.errors]
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status.value,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at.timestamp()),
        "expires_at": int(batch.expires_at.timestamp()),
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "failures": batch.failures,
        "metadata": batch.metadata or None,
        **{f"{status}_at": int(at.timestamp()) for status, at in batch.moments.items() if status != "validating"},
    }


def _row_id(batch: Batch, number: int) -> str:
    return f"batch_req_{batch.id.removeprefix('batch_')}_{number}"
