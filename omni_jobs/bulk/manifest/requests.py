"""A file of many requests to one endpoint, as OpenAI's Batch API takes it: the frame of each line, checked.

What stands in a body is its endpoint's affair: the Batch API makes jobs of bodies by its endpoints' own fields,
the bulk commands by `manifest/openai.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from omni_jobs.bulk.manifest.line import Problem
from omni_jobs.bulk.manifest.rows import json_rows
from omni_jobs.bulk.manifest.seen import Seen
from omni_jobs.errors import InvalidRequest

#: Most lines of a file, as the Batch API has it.
MAX_REQUESTS = 50_000
#: Longest `custom_id`.
MAX_ID_CHARACTERS = 512
#: What a line has.
KEYS = {"custom_id", "method", "url", "body"}


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One line. `number` counts from 1."""

    number: int
    custom_id: str
    url: str
    body: Mapping[str, Any]


def read_requests(
    source: Path | BinaryIO, endpoint: str | None = None, most: int = MAX_REQUESTS
) -> Iterator[BatchRequest | Problem]:
    """The lines in order; what is wrong with one is a Problem. Reading stops after `most` lines with another.

    Args:
        source: a file's name, or an open one that nobody else reads meanwhile.
        endpoint: the only `url` that lines may have, if there is one.

    Raises:
        NotFound: there is no such file.
    """
    with closing(Seen()) as seen:
        for place, row in enumerate(json_rows(source), 1):
            if place > most:
                yield Problem(
                    row.number, None, "too_many_tasks", f"is beyond the {most} lines that a file may have."
                )
                return
            if isinstance(row, Problem):
                yield row
                continue
            try:
                request = framed(row.number, row.values, endpoint)
            except InvalidRequest as error:
                yield Problem.of(row.number, error, _name(row.values))
                continue
            first = seen.first(request.custom_id, row.number)
            told = f"`custom_id`: {request.custom_id!r:.80} is line {first}'s."
            yield (
                request
                if first is None
                else Problem(row.number, "custom_id", "duplicate_custom_id", told, request.custom_id)
            )


def framed(number: int, values: Mapping[str, Any], endpoint: str | None = None) -> BatchRequest:
    """The request that a line holds.

    Raises:
        InvalidRequest: a field is missing, unknown or not of its kind.
    """
    unknown = next((name for name in values if name not in KEYS), None)
    missing = next((name for name in sorted(KEYS) if name not in values), None)
    if unknown or missing:
        raise InvalidRequest(
            f"`{unknown or missing}` " + ("is no field of a batch's line." if unknown else "is missing."),
            field=unknown or missing,
            remedy="A line has custom_id, method, url and body.",
        )
    if _name(values) is None:
        raise InvalidRequest(
            f"`custom_id` is no text of 1 to {MAX_ID_CHARACTERS} characters.",
            field="custom_id",
            value=values["custom_id"],
        )
    if values["method"] != "POST":
        raise InvalidRequest("`method` is not POST.", field="method", value=values["method"])
    if endpoint is not None and values["url"] != endpoint:
        raise InvalidRequest(
            f"`url`: {values['url']!r:.80} is not {endpoint}, the batch's endpoint.",
            field="url",
            value=values["url"],
        )
    if not isinstance(values["body"], Mapping):
        raise InvalidRequest("`body` is no JSON object.", field="body", value=values["body"])
    return BatchRequest(number, values["custom_id"], str(values["url"]), values["body"])


def _name(values: Mapping[str, Any]) -> str | None:
    name = values.get("custom_id")
    return name if isinstance(name, str) and 1 <= len(name) <= MAX_ID_CHARACTERS else None
