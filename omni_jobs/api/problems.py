"""Errors as HTTP answers: the one table from an error's class to its status, and the body that every SDK can read.

The body is RFC 9457 problem JSON with an `error` object inside, as clients of the OpenAI API expect it.
"""

from __future__ import annotations

import math
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from omni_jobs import errors
from omni_jobs.errors import OmniJobsError
from omni_jobs.schemas.record import Record

LOG = structlog.get_logger(__name__)

#: The nearest class of an error's ancestry decides.
STATUS: dict[type[OmniJobsError], int] = {
    errors.OmniJobsError: 500,
    errors.InvalidRequest: 400,
    errors.UnknownModel: 404,
    errors.InvalidMedia: 422,
    errors.InputDownloadFailed: 422,
    errors.IdempotencyMismatch: 422,
    errors.TooLarge: 413,
    errors.NotFound: 404,
    errors.IllegalMove: 409,
    errors.Superseded: 409,
    errors.Forbidden: 403,
    errors.Unauthorized: 401,
    errors.Unavailable: 503,
    errors.QueueFull: 429,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
}
TITLES = {
    400: "The request cannot work as it stands",
    401: "A valid key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "This method does not work here",
    409: "Not possible in the present state",
    413: "Too large",
    415: "Unknown content type",
    421: "Not served under this name",
    422: "The content cannot be used",
    429: "Too much at present",
    500: "Our mistake",
    503: "Not available at present",
}
#: `error.type` as the OpenAI API names it.
OPENAI_TYPES_BY_CODE = {errors.ModerationBlocked.code: "image_generation_user_error"}
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
#: Seconds after which a client may try again what is not available now.
RETRY_AFTER_SECONDS = 2
#: What the gate may answer before any route.
GATED = frozenset({401, 403, 429})
MEDIA_TYPE, PLAIN_JSON = "application/problem+json", "application/json"


class ErrorBody(Record):
    """The error as clients of the OpenAI API read it."""

    message: str
    type: str
    param: str | None = None
    code: str


class Problem(Record):
    """An RFC 9457 problem. `error_type` is the stable code; `retryable`: the same call may work later."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error_type: str
    retryable: bool
    request_id: str
    error: ErrorBody


def status_of(error: OmniJobsError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def describe(error: OmniJobsError, *, instance: str, request_id: str) -> dict[str, Any]:
    """The body that tells an error."""
    status = status_of(error)
    kind = "server_error" if status >= 500 else OPENAI_TYPES.get(status, "invalid_request_error")
    kind = OPENAI_TYPES_BY_CODE.get(error.code, kind)
    body = ErrorBody(message=str(error), type=kind, param=error.field, code=error.code)
    return Problem(
        type=f"urn:omni-jobs:error:{error.code}",
        title=TITLES[status],
        status=status,
        detail=str(error),
        instance=instance,
        error_type=error.code,
        retryable=error.retryable,
        request_id=request_id,
        error=body,
    ).model_dump()


def answer(request: Request, error: OmniJobsError) -> Response:
    """The whole HTTP answer to an error, with what retrying clients look at."""
    body = describe(error, instance=request.url.path, request_id=request_id(request))
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    after = error.retry_after_seconds or (RETRY_AFTER_SECONDS if error.retryable else None)
    if after is not None:
        headers["retry-after"] = str(math.ceil(after))
    if body["status"] == 401:
        headers["www-authenticate"] = "Bearer"
    kind = getattr(request.state, "error_media_type", MEDIA_TYPE)
    return JSONResponse(body, body["status"], headers, media_type=kind)


def request_id(request: Request) -> str:
    """The id under which the logs know this request."""
    return str(request.scope.get("omni_request_id", ""))


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, OmniJobsError)
        if status_of(error) >= 500:
            LOG.warning("request failed", code=error.code, error=str(error))
        return answer(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][1:])
        message = f"`{path}`: {first['msg']}." if path else f"{first['msg']}."
        return answer(request, errors.InvalidRequest(message, field=path or None, value=first.get("input")))

    async def routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _routing_problem(request, error)

    async def unexpected(request: Request, error: Exception) -> Response:
        LOG.error("request met an error of ours", path=request.url.path, exc_info=error)
        told = answer(request, OmniJobsError("An unexpected error; the logs know it by the request's id."))
        # This one answer is made outside of the edge, which adds the header to all others.
        told.headers["x-request-id"] = request_id(request)
        return told

    app.add_exception_handler(OmniJobsError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routing)
    app.add_exception_handler(Exception, unexpected)


def _routing_problem(request: Request, error: HTTPException) -> Response:
    """404 and 405 of the router, and bodies that Starlette's parsers refuse."""
    status = error.status_code if error.status_code in TITLES else 400
    known: OmniJobsError
    if status == 404:
        known = errors.NotFound(f"There is nothing at {request.url.path}.")
    elif status == 405:
        known = errors.InvalidRequest(f"{request.method} does not work at {request.url.path}.", field="method")
    else:
        known = errors.InvalidRequest(str(error.detail))
    body = describe(known, instance=request.url.path, request_id=request_id(request))
    body |= {"status": status, "title": TITLES[status]}
    headers = {**(error.headers or {}), "x-should-retry": "false"}
    if status == 405:
        headers["allow"] = ", ".join(methods_at(request.app, request.url.path))
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def methods_at(app: FastAPI, path: str) -> list[str]:
    """The methods that work at a path; Starlette's own answer knows only the first route of a path."""
    found: set[str] = set()
    for router in app.state.routers:
        for route in router.routes:
            if route.path_regex.match(path):
                found |= route.methods
    return sorted(found)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for these statuses, besides those that every route may give."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    every = {400, 401, 403, 429, 503, *statuses}
    return {
        one: {
            "description": TITLES[one],
            # The gate answers in plain JSON, a route with problem JSON.
            "content": dict.fromkeys((MEDIA_TYPE, PLAIN_JSON) if one in GATED else (MEDIA_TYPE,), schema),
        }
        for one in sorted(every)
    }
