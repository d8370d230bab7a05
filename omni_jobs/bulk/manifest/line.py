"""A line of a manifest once it is resolved: the job, its identity, its seed. Pure.

The identity is a digest of what decides the picture. So a line that moves within its file stays the same line, and
one that is changed is another; when and how urgently it runs does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omni_jobs.errors import InvalidRequest, OmniJobsError
from omni_jobs.schemas import MAX_SEED, JobRequest, parse_job

#: What says when and for whom a job runs, not what it draws. All other fields are part of a line's identity.
CIRCUMSTANCES = {
    "preview",
    "priority",
    "not_before",
    "deadline",
    "ttl_seconds",
    "idempotency_key",
    "webhook",
    "metadata",
    "tags",
}
#: Hexadecimal digits of an identity: 80 bits.
ID_DIGITS = 20
#: Longest name of a line.
MAX_NAME = 200
#: The pictures that a name means: by a token for their bytes, where each lies. An id is both.
Resolve = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One job of a manifest. `number` counts from 1; `name` is the line's own `id` or `custom_id`.

    `request` always has a seed. Pictures in it are ids, or tokens: `pictures` maps each token to where it lies.
    """

    number: int
    id: str
    request: JobRequest
    name: str | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.request.seed or 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """A line that is the same as an earlier one, and therefore not rendered again."""

    number: int
    id: str
    first: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot run. `column` is a field or a column's name, or the place of a character in the line."""

    number: int
    column: str | int | None
    code: str
    message: str
    name: str | None = None

    @property
    def id(self) -> str:
        """The same for the same problem at the same place."""
        return _digest([self.number, self.column, self.message])

    @classmethod
    def of(cls, number: int, error: OmniJobsError, name: str | None = None) -> Problem:
        """What an error says of a line."""
        return cls(number, error.field, error.code, str(error), name)

    def to_json(self) -> dict[str, Any]:
        facts = {"line": self.number, "column": self.column, "id": self.name}
        return {name: fact for name, fact in facts.items() if fact is not None} | {
            "code": self.code,
            "message": self.message,
        }


def line_of(number: int, values: Mapping[str, Any], resolve: Resolve | None = None) -> Line:
    """The line that these fields of a native job mean; `id` is the line's own name.

    Args:
        resolve: makes tokens of the pictures that are not ids; without it they must be ids already.

    Raises:
        InvalidRequest: a field, its value and the remedy.
    """
    fields = dict(values)
    name = _name(fields.pop("id", None))
    if "idempotency_key" in fields:
        raise InvalidRequest(
            "`idempotency_key`: a line has its identity instead.", field="idempotency_key", remedy="Leave it out."
        )
    pictures: dict[str, str] = {}
    if resolve is not None:
        fields = _with_tokens(fields, resolve, pictures)
    request = parse_job(fields)
    facts = request.model_dump(mode="json", exclude=CIRCUMSTANCES, exclude_defaults=True)
    digest = _digest([facts, name] if name is not None else [facts])
    if request.seed is None:
        request = request.model_copy(update={"seed": int(digest, 16) % (MAX_SEED + 1)})
    return Line(number, digest, request, name, pictures)


def _name(given: Any) -> str | None:
    if given is None:
        return None
    name = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not name or len(name) > MAX_NAME:
        raise InvalidRequest(
            f"`id`: {str(given)[:80]!r} is no name of 1 to {MAX_NAME} characters.", field="id", value=given
        )
    return name


def _with_tokens(fields: dict[str, Any], resolve: Resolve, pictures: dict[str, str]) -> dict[str, Any]:
    def tokens_of(field: str, given: Any) -> Any:
        tokens: list[Any] = []
        for source in given if isinstance(given, list | tuple) else [given]:
            found = resolve(source) if isinstance(source, str) else {source: source}
            pictures.update({token: place for token, place in found.items() if token != place})
            tokens += found
        if field == "mask" and len(tokens) != 1:
            raise InvalidRequest(f"`mask`: {given!r} means {len(tokens)} pictures.", field="mask", value=given)
        return tokens[0] if field == "mask" else tokens

    try:
        changes = {name: tokens_of(name, fields[name]) for name in ("images", "mask") if fields.get(name)}
        if isinstance(fields.get("inputs"), Mapping):
            changes["inputs"] = {name: tokens_of(f"inputs.{name}", one) for name, one in fields["inputs"].items()}
    except TypeError:
        return fields  # no names of pictures at all: the job's own check says so
    return fields | changes


def _digest(facts: Any) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_DIGITS]
