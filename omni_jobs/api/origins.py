"""Which web pages may use the API from a browser: its own, and those of origins that the operator names.

A browser sends a stranger's page's POST to loopback without asking us first; the page cannot read the answer, but
the job would be queued. So what changes something must come from an origin that we know, or from no page at all.
"""

from __future__ import annotations

import re

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from omni_jobs.api.access import READING, needs_key
from omni_jobs.errors import Forbidden, Misconfigured
from omni_jobs.settings import Settings

ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?|null")
#: How long a browser may remember what it may send.
REMEMBERED_SECONDS = 600
#: Headers of ours that pages may read besides the ordinary ones.
EXPOSED = (
    "idempotent-replayed", "location", "openai-poll-after-ms", "ratelimit", "ratelimit-policy", "retry-after",
    "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-request-id",
    "x-should-retry",
)  # fmt: skip


def parse_origins(settings: Settings) -> frozenset[str]:
    """The setting `cors_origins`: a comma list of origins, or `*`.

    Raises:
        Misconfigured: no origin, or `*` where no key protects the API.
    """
    origins = frozenset(part.strip().lower() for part in settings.cors_origins.split(",") if part.strip())
    for origin in origins - {ANY_ORIGIN}:
        if not _ORIGIN.fullmatch(origin):
            raise Misconfigured(
                f"OMNI_CORS_ORIGINS: {origin!r} is no origin.",
                field="cors_origins",
                value=origin,
                remedy="Write https://shop.example, without a path.",
            )
    if ANY_ORIGIN in origins and not needs_key(settings):
        raise Misconfigured(
            "OMNI_CORS_ORIGINS: `*` would let every web page use this API, which asks for no key.",
            field="cors_origins",
            remedy="Name the origins, or set OMNI_REQUIRE_KEYS.",
        )
    return origins


def check_origin(request: Request, allowed: frozenset[str]) -> None:
    """Refuses what a stranger's page would change. Raises Forbidden."""
    origin = request.headers.get("origin")
    if origin is None or request.method in READING or ANY_ORIGIN in allowed or origin.lower() in allowed:
        return
    if origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden(
            f"Pages of {origin} may not change anything here.",
            field="origin",
            value=origin,
            remedy="The operator can allow them with OMNI_CORS_ORIGINS.",
        )


def install(app: Starlette, allowed: frozenset[str]) -> None:
    """Tells browsers that pages of these origins may use the API; keys are sent by the page, cookies never."""
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(allowed),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=REMEMBERED_SECONDS,
        )
