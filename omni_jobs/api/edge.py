"""What every request passes: an id for the logs, a limit for its body, a count for the metrics, one log line.

Plain ASGI, because middleware that wraps responses would hold event streams back.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_jobs.errors import TooLarge

LOG = structlog.get_logger(__name__)
#: Ids that callers may choose for their requests.
REQUEST_ID = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
#: Upper bounds of the histogram of answer times, in seconds.
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass
class Traffic:
    """Requests answered by this process, by (method, route, status), and the times to the answer's first byte."""

    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    seconds: Counter[float] = field(default_factory=Counter)
    total_seconds: float = 0.0
    open_streams: int = 0
    #: The process was told to stop: streams and long polls end by themselves.
    is_closing: bool = False

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        self.answered[method, route, status] += 1
        self.total_seconds += seconds
        for bound in BUCKETS_SECONDS:
            if seconds <= bound:
                self.seconds[bound] += 1
                return
        self.seconds[float("inf")] += 1


class Edge:
    """The outermost layer. Bodies above `max_body_bytes` are refused; some paths have limits of their own."""

    def __init__(
        self, app: ASGIApp, *, traffic: Traffic, max_body_bytes: int, own_limits: Mapping[str, int]
    ) -> None:
        self._app = app
        self._traffic = traffic
        self._max_body_bytes = max_body_bytes
        self._own_limits = own_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(Headers(scope=scope))
        scope["omni_request_id"] = request_id

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
                self._note(scope, int(message["status"]), time.perf_counter() - began)
            await send(message)

        limit = self._own_limits.get(scope["path"], self._max_body_bytes)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, _limited(receive, limit), tell)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "unknown")
        self._traffic.count(scope["method"], path, status, seconds)
        LOG.info("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1))


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.match(given) else f"req_{secrets.token_hex(12)}"


def _limited(receive: Receive, limit_bytes: int) -> Receive:
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit_bytes:
            raise TooLarge(f"The body has more than {limit_bytes} bytes.", remedy="Send less at once.")
        return message

    return take
