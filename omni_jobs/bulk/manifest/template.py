"""A template: a job whose texts hold {placeholders}, and the values that fill them. Pure.

Values that no placeholder uses set the field of their name: `seed`, `parameters.width`, or just `width`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import JobRequest, nearest

#: Fields that are words even if they look like numbers.
TEXTS = {"id", "prompt", "negative_prompt", "model", "task", "mask", "images"}
FIELDS = {*JobRequest.model_fields, "id"}
#: Separates several pictures in one cell of a table.
LIST_SEPARATOR = "|"


class Cell(str):
    """Text of a table's cell, where a number is written like a word."""

    __slots__ = ()


class Template:
    """A job with placeholders. `fields` are those of a native job; names with dots reach inside."""

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        """Raises InvalidRequest for a placeholder that is not well formed."""
        self.fields: dict[str, Any] = {}
        for name, value in (fields or {}).items():
            put(self.fields, name, value)
        self.names = frozenset(_names(self.fields))

    def fill(self, values: Mapping[str, Any], *, is_job: bool = False) -> dict[str, Any]:
        """The job with these values. A value None is absent; a `Cell` becomes a number where its field is no text.

        Args:
            is_job: a name that is no field of a job stays one, to be refused, and is not taken for a parameter.

        Raises:
            InvalidRequest: a placeholder has no value.
        """
        job: dict[str, Any] = _filled(self.fields, "", values)
        for name, value in values.items():
            if name in self.names or value is None:
                continue
            target = name if is_job or name.partition(".")[0] in FIELDS else f"parameters.{name}"
            put(job, target, typed(target, value))
        return job


def put(job: dict[str, Any], path: str, value: Any) -> None:
    """Set a field; dots reach inside. Two tables are joined.

    Raises:
        InvalidRequest: something on the way is no table.
    """
    *parents, leaf = path.split(".")
    for parent in parents:
        job = job.setdefault(parent, {})
        if not isinstance(job, dict):
            raise InvalidRequest(f"`{path}`: `{parent}` is no table.", field=path, value=value)
    old = job.get(leaf)
    job[leaf] = {**old, **value} if isinstance(old, dict) and isinstance(value, Mapping) else value


def typed(target: str, text: Any) -> Any:
    """A cell as its field wants it: words stay, `images` may be several, anything else is JSON if it can be."""
    if not isinstance(text, Cell):
        return text
    field = target.partition(".")[0]
    if field in ("images", "inputs"):
        return [part.strip() for part in text.split(LIST_SEPARATOR)]
    if field in TEXTS:
        return str(text)
    try:
        return json.loads(text)
    except ValueError:
        return str(text)


def _filled(value: Any, path: str, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled_text(value, path, values)
    if isinstance(value, dict):
        found = {name: _filled(one, f"{path}.{name}" if path else name, values) for name, one in value.items()}
        return {name: one for name, one in found.items() if one is not None}
    if isinstance(value, list):
        return [one for one in (_filled(one, path, values) for one in value) if one is not None]
    return value


def _filled_text(text: str, path: str, values: Mapping[str, Any]) -> Any:
    parts = _parts(text)
    (literal, name, form), *more = parts
    if name is not None and not (literal or form or more):
        return typed(path, _value(name, path, values))
    return "".join(
        literal + ("" if name is None else _formatted(_value(name, path, values), form, path))
        for literal, name, form in parts
    )


def _formatted(value: Any, form: str, path: str) -> str:
    if value is None:
        return ""
    try:
        return format(value, form)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"`{path}`: {value!r} cannot be written as {form!r}: {error}.", field=path) from None


def _value(name: str, path: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise InvalidRequest(
            f"`{path}`: nothing gives {{{name}}} a value.",
            field=path,
            remedy=f"{nearest(name, values)} For a brace write two." if values else "For a brace write two.",
        )
    return values[name]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (name for _, name, _ in _parts(value) if name is not None)
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _names(one)


def _parts(text: str) -> list[tuple[str, str | None, str]]:
    """Literal text, then the placeholder after it, if any, and how it is to be written (`{number:04d}`)."""
    if "{" not in text and "}" not in text:
        return [(text, None, "")]
    try:
        parts = [(literal, name, form or "") for literal, name, form, _ in Formatter().parse(text)]
    except ValueError as error:
        raise InvalidRequest(f"{text[:80]!r}: {error}.", value=text, remedy="For a brace write two.") from None
    for _, name, form in parts:
        if name is not None and (not name or "{" in form or not _is_name(name)):
            raise InvalidRequest(
                f"{text[:80]!r}: {{{name}}} is no placeholder.", value=text, remedy="Write {name}."
            )
    return parts


def _is_name(name: str) -> bool:
    return all(letter.isalnum() or letter in "_.-" for letter in name)
