"""Where a job's events and outputs shall go, judged when it is submitted, as far as the job itself tells.

What a name resolves to is judged at each try. Not in the schema: what an earlier version took must stay readable.
"""

from __future__ import annotations

from datetime import datetime

from omni_jobs.errors import Forbidden, InvalidRequest
from omni_jobs.schemas import JobRequest
from omni_jobs.schemas.copies import OUR_HEADERS, CopyTarget
from omni_jobs.webhooks.addresses import split


def check_destinations(request: JobRequest, now: datetime) -> None:
    """Refuses what could never be delivered. Raises InvalidRequest with the field."""
    if request.webhook is not None:
        _check_url(str(request.webhook.url), "webhook.url")
    for place, target in enumerate(request.copies):
        _check_url(str(target.url), f"copies.{place}.url")
        _check_headers(target, f"copies.{place}.headers")
        _check_time(target, f"copies.{place}.url", max(now, request.not_before or now))


def _check_url(url: str, field: str) -> None:
    try:
        split(url)
    except Forbidden as error:
        # Without the value: it may hold a password.
        raise InvalidRequest(f"`{field}`: {error.message}", field=field, remedy=error.remedy) from error


def _check_headers(target: CopyTarget, field: str) -> None:
    _, host, port = split(str(target.url))
    shown = f"[{host}]" if ":" in host else host
    for name, value in target.headers.items():
        if name.lower() == "host" and value.lower() in (shown, f"{shown}:{port}"):
            continue
        if name.lower() in OUR_HEADERS:
            why = "is not the URL's host" if name.lower() == "host" else "is a header of ours"
            raise InvalidRequest(
                f"`{field}.{name}`: {value!r} {why}.", field=f"{field}.{name}", value=value, remedy="Leave it out."
            )


def _check_time(target: CopyTarget, field: str, begins: datetime) -> None:
    ends = target.ends_at()
    if ends is not None and ends <= begins:
        raise InvalidRequest(
            f"`{field}`: the permission ends at {ends.isoformat(timespec='seconds')}, before the job begins.",
            field=field,
            remedy="Sign a link that lasts until the job will be done.",
        )
