"""Where a job's events and outputs shall go, judged when it is submitted, as far as the job itself tells.

What a name resolves to is judged at each try. Not in the schema: what an earlier version took must stay readable.
"""

from __future__ import annotations

from datetime import datetime

from omni_jobs.errors import Forbidden, InvalidRequest
from omni_jobs.schemas import JobRequest
from omni_jobs.schemas.copies import CopyTarget
from omni_jobs.webhooks.addresses import split


def check_destinations(request: JobRequest, now: datetime) -> None:
    """Refuses what could never be delivered. Raises InvalidRequest with the field."""
    if request.webhook is not None:
        _check_url(str(request.webhook.url), "webhook.url")
    for place, target in enumerate(request.copies):
        _check_url(str(target.url), f"copies.{place}.url")
        _check_time(target, f"copies.{place}.url", max(now, request.not_before or now))


def _check_url(url: str, field: str) -> None:
    try:
        split(url)
    except Forbidden as error:
        # Without the value: it may hold a password.
        raise InvalidRequest(f"`{field}`: {error.message}", field=field, remedy=error.remedy) from error


def _check_time(target: CopyTarget, field: str, begins: datetime) -> None:
    ends = target.ends_at()
    if ends is not None and ends <= begins:
        raise InvalidRequest(
            f"`{field}`: the permission ends at {ends.isoformat(timespec='seconds')}, before the job begins.",
            field=field,
            remedy="Sign a link that lasts until the job will be done.",
        )
