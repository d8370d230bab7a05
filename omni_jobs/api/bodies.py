"""Bodies of requests and answers that only HTTP has, and how they are read from a request."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field
from starlette.datastructures import Headers

from omni_jobs.api.problems import Problem
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import Event, Job, JobRequest, ModelCard
from omni_jobs.schemas.job import Strict
from omni_jobs.schemas.record import Record

#: Jobs in one batch.
MAX_BATCH = 1000
#: What the header `Idempotency-Key` may hold; a batch adds the place of each job.
IDEMPOTENCY_KEY = r"^[!-~]{1,240}$"


class JobBatch(Strict):
    """Several jobs in one request; each is accepted or refused by itself."""

    jobs: Annotated[list[JobRequest], Field(min_length=1, max_length=MAX_BATCH)]


class BatchItem(Record):
    """What became of one job of a batch: the job, or why it was refused."""

    status: int
    job: Job | None = None
    error: Problem | None = None


class BatchAnswer(Record):
    """The items stand in the order of the jobs that were sent."""

    jobs: list[BatchItem]


class JobPage(Record):
    """Some jobs, newest first; `cursor` continues and is absent at the end."""

    jobs: list[Job]
    cursor: str | None = None


class EventPage(Record):
    """Durable events of a job, oldest first."""

    events: list[Event]


class ModelState(Record):
    """A model's card and whether anybody serves it now: the number of its live workers by their state.

    A single one is a model of the OpenAI API as well, with `id`, `object`, `created` and `owned_by`.
    """

    card: ModelCard
    workers: dict[str, int]


class ModelList(Record):
    """All models that a worker ever published; `object` and `data` are the list that the OpenAI API has."""

    object: str = "list"
    data: list[dict[str, Any]] = Field(default_factory=list)
    models: list[ModelState]


async def read_json(request: Request) -> Any:
    """The request's JSON.

    Raises:
        InvalidRequest: no JSON, or a content type that says otherwise. TooLarge: above the limit.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise InvalidRequest(
            f"The content type is {kind or 'missing'}.", field="content-type", remedy="Send application/json."
        )
    try:
        return json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is no JSON: {error}.") from error


def idempotency_key(headers: Headers) -> str | None:
    """The key in the header, with or without quotes.

    Raises:
        InvalidRequest: the header is not 1 to 240 visible ASCII characters.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise InvalidRequest(
            "`Idempotency-Key`: 1 to 240 letters, digits or signs, no blanks.", field="idempotency-key", value=key
        )
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
