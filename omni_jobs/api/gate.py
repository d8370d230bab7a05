"""The gate before every route of every face: nobody comes in whom it does not know. New routes are behind it.

Plain ASGI, inside of the edge. It also tells callers what is left of their limit of requests.
"""

from __future__ import annotations

import asyncio
import math

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_jobs.api import access, problems
from omni_jobs.api.faces.stream_links import STREAMS_PATH
from omni_jobs.api.origins import check_origin
from omni_jobs.errors import OmniJobsError
from omni_jobs.object_links import OBJECTS_PATH
from omni_jobs.schemas.access import Allowance

#: Where no key is asked: health, the document, the dashboard's files, and links, which are keys themselves.
OPEN_PATHS = frozenset(
    {"/", "/dashboard", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
)
OPEN_BELOW = (OBJECTS_PATH, STREAMS_PATH, "/dashboard/")


class Gate:
    """Lets a request through with its caller, or answers for the routes."""

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        service = request.app.state.service
        try:
            check_origin(request, self._origins)
            caller = await asyncio.to_thread(access.identify, request, service.settings, service.store)
        except OmniJobsError as error:
            # Whoever is refused may be any API's client, and some of them read nothing else.
            request.state.error_media_type = problems.PLAIN_JSON
            await problems.answer(request, error)(scope, receive, send)
            return
        access.CALLER.set(caller)
        known = {"account": caller.account, "key": caller.key_id}
        structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value})
        await self._app(scope, receive, send if caller.allowance is None else _telling(send, caller.allowance))


def is_open(path: str) -> bool:
    """Whether a path asks for no key."""
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)


def limit_headers(left: Allowance) -> dict[str, str]:
    """What is left of a limit of requests, as the OpenAI API tells it and as the IETF's draft does."""
    return {
        "x-ratelimit-limit-requests": str(left.limit),
        "x-ratelimit-remaining-requests": str(left.remaining),
        "x-ratelimit-reset-requests": f"{left.reset_seconds:.3f}s",
        "ratelimit-policy": f'"requests";q={left.limit};w=60',
        "ratelimit": f'"requests";r={left.remaining};t={math.ceil(left.reset_seconds)}',
    }


def _telling(send: Send, left: Allowance) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(limit_headers(left))
        await send(message)

    return tell
