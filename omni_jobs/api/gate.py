"""The gate before every route of every face: nobody comes in whom it does not know. New routes are behind it.

Plain ASGI, inside of the edge. It leaves the caller in the scope, where `service.Account` finds it.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_jobs.api import access, problems
from omni_jobs.api.faces.stream_links import STREAMS_PATH
from omni_jobs.errors import OmniJobsError
from omni_jobs.object_links import OBJECTS_PATH

#: Where no key is asked: health, the document, and links, which are keys themselves.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"})
OPEN_BELOW = (OBJECTS_PATH, STREAMS_PATH)
CALLER = "omni_caller"


class Gate:
    """Lets a request through with its caller, or answers for the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            request = Request(scope)
            service = request.app.state.service
            try:
                scope[CALLER] = await asyncio.to_thread(access.identify, request, service.settings, service.store)
            except OmniJobsError as error:
                await problems.answer(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether a path asks for no key."""
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)
