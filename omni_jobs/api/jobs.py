"""Jobs over HTTP: submitted alone or in batches, looked at, listed, called off, tried again, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import JSONResponse, Response

from omni_jobs import queue
from omni_jobs.api import bodies, problems, waiting
from omni_jobs.api.access import caller_key_id
from omni_jobs.api.service import Account, Served, Service
from omni_jobs.deletion import delete_job
from omni_jobs.errors import InvalidRequest, NotFound, OmniJobsError
from omni_jobs.schemas import Job, JobFilter, JobRequest, Status, parse_job

LOG = structlog.get_logger(__name__)
router = APIRouter(tags=["jobs"])

JobId = Annotated[str, Path(pattern=r"^job_[0-9a-f]{1,64}$", description="The job's id.")]
FilterWord = Annotated[str | None, Query(min_length=1, max_length=200)]


def job_filter(
    status: Status | None = None, model: FilterWord = None, tag: FilterWord = None, error_code: FilterWord = None
) -> JobFilter:
    """The filter in a query."""
    return JobFilter(status, model, tag, error_code)


Wanted = Annotated[JobFilter, Depends(job_filter)]
MAX_WAIT_SECONDS = 60.0
_SUBMIT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/JobRequest"},
                        {"$ref": "#/components/schemas/JobBatch"},
                    ]
                }
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": bodies.IDEMPOTENCY_KEY},
            "description": "The same key and body give the same job; another body is refused. It wins over the "
            "body's `idempotency_key`. In a batch, each job gets the key with its place after a colon.",
        }
    ],
}


@router.post(
    "/v1/jobs",
    status_code=201,
    response_model=Job,
    responses={
        200: {"model": bodies.BatchAnswer | Job, "description": "A batch, or a job that was there already."},
        **problems.documented(404, 409, 413, 422, 429),
    },
    openapi_extra=_SUBMIT_BODY,
)
async def submit(request: Request, account: Account, service: Served) -> Response:
    """Submit a job, or a batch as `{"jobs": [...]}`.

    A malformed job refuses the whole batch; otherwise each is accepted or refused by itself.
    """
    body = await bodies.read_json(request)
    base = service.base(request)
    if isinstance(body, dict) and "jobs" in body:
        items = await asyncio.to_thread(_submit_batch, request, account, service, body)
        return JSONResponse({"jobs": items})
    wanted = _keyed(parse_job(body), bodies.idempotency_key(request.headers))
    job, is_new = await asyncio.to_thread(submit_one, account, service, wanted)
    headers = {"location": f"/v1/jobs/{job.id}"} | ({} if is_new else {"idempotent-replayed": "true"})
    return JSONResponse(await asyncio.to_thread(view, service, job, base), 201 if is_new else 200, headers)


@router.get(
    "/v1/jobs/{job_id}",
    response_model=Job,
    responses=problems.documented(404),
)
async def get(
    request: Request,
    account: Account,
    service: Served,
    job_id: JobId,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the job to end.")
    ] = 0.0,
) -> Response:
    """The job as it stands, after at most `wait` seconds or when it has ended."""
    job = await asyncio.to_thread(service.store.get, account, job_id)
    if wait and not job.is_finished:
        job = await waiting.until_finished(service, job, wait)
    return JSONResponse(await asyncio.to_thread(view, service, job, service.base(request)))


@router.get("/v1/jobs", response_model=bodies.JobPage, responses=problems.documented(404))
async def page(
    request: Request,
    account: Account,
    service: Served,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Jobs, newest first. A page with filters may hold less than `limit` although a cursor follows."""
    base = service.base(request)

    def read() -> dict[str, Any]:
        with cursor_sought(cursor):
            jobs, following = service.store.list(account, wanted, cursor=cursor, limit=limit)
        listed = [service.links.sign_all(job, base).to_json() for job in jobs]
        return {"jobs": listed} | ({"cursor": following} if following else {})

    return JSONResponse(await asyncio.to_thread(read))


@router.post("/v1/jobs/{job_id}/cancel", response_model=Job, responses=problems.documented(404, 409))
async def cancel(request: Request, account: Account, service: Served, job_id: JobId) -> Response:
    """Call a job off at once; one that is canceled already is answered as it is."""
    job = await asyncio.to_thread(queue.cancel, service.store, account, job_id)
    return JSONResponse(view(service, job, service.base(request)))


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=201,
    response_model=Job,
    responses=problems.documented(404, 409, 422, 429),
)
async def retry(request: Request, account: Account, service: Served, job_id: JobId) -> Response:
    """Submit a finished job again, as a new job with the same seed and `retry_of`."""
    job = await asyncio.to_thread(retried, service, account, job_id)
    shown = await asyncio.to_thread(view, service, job, service.base(request))
    return JSONResponse(shown, 201, {"location": f"/v1/jobs/{job.id}"})


@router.delete("/v1/jobs/{job_id}", status_code=204, responses=problems.documented(404))
async def delete(account: Account, service: Served, job_id: JobId) -> Response:
    """Delete a job with its objects; one that has not ended is canceled first."""
    await asyncio.to_thread(delete_job, service.store, service.objects, account, job_id)
    return Response(status_code=204)


@contextmanager
def cursor_sought(cursor: str | None) -> Iterator[None]:
    """A cursor that is none of ours names no place in the list. Raises NotFound."""
    try:
        yield
    except InvalidRequest as error:
        raise NotFound(error.message, field="cursor", value=cursor, remedy=error.remedy) from error


def view(service: Service, job: Job, base: str) -> dict[str, Any]:
    """The job as its owner reads it: links signed now, and why it waits while it is queued."""
    if job.status is Status.QUEUED:
        job = job.model_copy(update={"waiting": service.estimates.waiting(job)})
    return service.links.sign_all(job, base).to_json()


def retried(service: Service, account: str, job_id: str) -> Job:
    """The new job that tries a finished one again. Raises what `queue.retry` raises."""
    return queue.retry(
        service.store,
        account,
        job_id,
        max_attempts=service.settings.max_attempts,
        max_queued=service.settings.max_queued_jobs,
        limits=service.settings.limits,
        key_id=caller_key_id(),
        prompt_check=service.prompt_check,
    )


def submit_one(account: str, service: Service, request: JobRequest, job_id: str | None = None) -> tuple[Job, bool]:
    """Submits a job of any face; the bool says whether it is new. Raises what `queue.submit` raises."""
    settings = service.settings
    job, is_new = queue.submit(
        service.store,
        request,
        account=account,
        max_attempts=settings.max_attempts,
        max_queued=settings.max_queued_jobs,
        job_id=job_id,
        limits=settings.limits,
        key_id=caller_key_id(),
        prompt_check=service.prompt_check,
    )
    LOG.info("job submitted", job=job.id, model=job.request.model, is_new=is_new)
    return job, is_new


def _submit_batch(request: Request, account: str, service: Service, body: dict[str, Any]) -> list[dict[str, Any]]:
    jobs = body["jobs"]
    if set(body) != {"jobs"} or not isinstance(jobs, list) or not 1 <= len(jobs) <= bodies.MAX_BATCH:
        raise InvalidRequest(
            f"`jobs`: a batch is an object with nothing but a list of 1 to {bodies.MAX_BATCH} jobs.", field="jobs"
        )
    key = bodies.idempotency_key(request.headers)
    base = service.base(request)
    items: list[dict[str, Any]] = []
    for place, job in enumerate([_parsed(place, job, key) for place, job in enumerate(jobs)]):
        try:
            created, is_new = submit_one(account, service, job)
        except OmniJobsError as error:
            instance, request_id = f"{request.url.path}#{place}", problems.request_id(request)
            problem = problems.describe(error, instance=instance, request_id=request_id)
            items.append({"status": problem["status"], "error": problem})
        else:
            shown = service.links.sign_all(created, base).to_json()
            items.append({"status": 201 if is_new else 200, "job": shown})
    return items


def _parsed(place: int, job: Any, key: str | None) -> JobRequest:
    """One job of a batch; a malformed one refuses the whole batch, before anything is stored."""
    try:
        return _keyed(parse_job(job), key and f"{key}:{place}")
    except InvalidRequest as error:
        field = ".".join(filter(None, (f"jobs.{place}", error.field)))
        raise InvalidRequest(f"`jobs.{place}`: {error}", field=field, value=error.value) from error


def _keyed(request: JobRequest, key: str | None) -> JobRequest:
    return request if key is None else request.model_copy(update={"idempotency_key": key})
