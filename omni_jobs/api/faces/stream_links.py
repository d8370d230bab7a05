"""Links to a job's stream for clients that send no key with them: signed, for one job, for a day."""

from __future__ import annotations

import time
from collections.abc import Mapping

from omni_jobs.errors import Forbidden
from omni_jobs.settings import Settings
from omni_jobs.signing_secret import signing_secret
from storage import errors as storage_errors
from storage.links import Link, sign, verify

#: Below this path the gate asks for no key.
STREAMS_PATH = "/v1/streams/"
LIFE_SECONDS = 24 * 3600


def stream_link(settings: Settings, account: str, job_id: str, base: str) -> str:
    """The link. Raises Misconfigured: there is no secret to sign with."""
    link = Link(f"streams/{account}/{job_id}", int(time.time()) + LIFE_SECONDS)
    return f"{base}/v1/{sign(link, signing_secret(settings))}"


def check_stream_link(settings: Settings, account: str, job_id: str, query: Mapping[str, str]) -> None:
    """Raises Forbidden: the link was altered or is too old."""
    try:
        verify(f"streams/{account}/{job_id}", query, signing_secret(settings), time.time())
    except storage_errors.LinkRefused as error:
        raise Forbidden(error.message, field="signature", remedy=error.remedy) from error
