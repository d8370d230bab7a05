"""A job that ended without success, as the HTTP answer to whoever waited for it.

One table from a job's error code to the status; `problems` has the one for errors that we raise.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from omni_jobs.api import problems
from omni_jobs.faces.outcome import text_of
from omni_jobs.schemas import Job, JobError

#: Statuses by code; 500 for all others. 409 is left out on purpose: clients take it as a wish to be asked again.
STATUS = {
    "moderation_blocked": 400,
    "invalid_request": 400,
    "invalid_media": 422,
    "canceled": 400,
    "out_of_memory": 503,
    "engine_unavailable": 503,
    "deadline_exceeded": 504,
    "expired": 504,
    "upload_failed": 502,
    "storage_unavailable": 503,
}
_MODERATED = "image_generation_user_error"


def openai_error(error: JobError) -> dict[str, Any]:
    """The `error` object as clients of the OpenAI API read it."""
    if error.code == "moderation_blocked":
        kind = _MODERATED
    else:
        kind = "server_error" if status_of(error) >= 500 else "invalid_request_error"
    return {"message": text_of(error), "type": kind, "param": None, "code": error.code}


def status_of(error: JobError) -> int:
    """The HTTP status for a caller who waited."""
    return STATUS.get(error.code, 500)


def answer(request: Request, job: Job, error: JobError) -> Response:
    """The whole HTTP answer. `x-should-retry` is false for whatever would fail again."""
    status = status_of(error)
    body = problems.Problem(
        type=f"urn:omni-jobs:error:{error.code}",
        title="The job did not succeed",
        status=status,
        detail=text_of(error),
        instance=f"/v1/jobs/{job.id}",
        error_type=error.code,
        retryable=error.retryable,
        request_id=problems.request_id(request),
        error=problems.ErrorBody.model_validate(openai_error(error)),
    )
    headers = {"x-should-retry": "true" if error.retryable else "false", "x-omni-job": job.id}
    return JSONResponse(body.model_dump(), status, headers)
