"""The fields of other APIs as tables: which we serve, which have no effect here, which are refused and why.

The faces read bodies by these tables and `docs/faces.md` is made from them, so that both say the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import ModelCard, nearest

#: Fields of the native job that every face takes beside its own.
NATIVE = (
    "negative_prompt", "seed", "deterministic", "preview", "priority", "not_before", "deadline", "ttl_seconds",
    "metadata", "tags", "webhook", "copies", "inputs", "parameters", "enhance_prompt",
)  # fmt: skip
#: What the docs say of a field that clients send and that changes nothing here.
NO_EFFECT = "accepted, without effect"
#: JSON types of native fields that a form carries as text.
_TEXT_KINDS: dict[str, str] = {
    "seed": "integer", "priority": "integer", "ttl_seconds": "integer", "deterministic": "boolean",
    "preview": "boolean", "webhook": "object", "inputs": "object", "parameters": "object", "metadata": "object",
    "tags": "array", "copies": "array", "enhance_prompt": "boolean",
}  # fmt: skip
_PARSED_KINDS = {"integer", "number", "boolean", "object", "array"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of another API. `kind` is its JSON type, for forms, where everything is text."""

    name: str
    status: Literal["supported", "ignored", "refused"] = "supported"
    note: str = ""
    kind: str = "string"


class Table:
    """The fields of one body."""

    def __init__(self, *fields: Field) -> None:
        self.fields = {field.name: field for field in fields}

    def pick(self, body: Mapping[str, Any], extras: Collection[str] = ()) -> dict[str, Any]:
        """The fields that mean something here; null is the same as absent.

        Raises:
            InvalidRequest: a field that is refused, or that neither the table nor `extras` knows.
        """
        picked = {}
        for name, value in body.items():
            field = self.fields.get(name)
            if value is None or (field is not None and field.status == "ignored"):
                continue
            if field is None and name not in extras:
                raise InvalidRequest(
                    f"`{name}` is not a field of this request.",
                    field=name,
                    value=value,
                    remedy=nearest(name, [*self.fields, *extras]),
                )
            if field is not None and field.status == "refused":
                raise InvalidRequest(f"`{name}`: {field.note}", field=name, value=value)
            picked[name] = value
        return picked

    def kinds(self) -> dict[str, str]:
        """JSON types by name, for `typed`."""
        return {name: field.kind for name, field in self.fields.items()}


def extras_of(card: ModelCard) -> tuple[str, ...]:
    """What a body may hold beside its face's own fields: native fields, and the model's parameters by name."""
    return (*NATIVE, *card.parameters_schema.get("properties", {}))


def native_part(picked: Mapping[str, Any], card: ModelCard) -> dict[str, Any]:
    """The native job's fields among those that were picked; the model's parameters go into `parameters`.

    Raises:
        InvalidRequest: `parameters` or `metadata` is no object.
    """
    for name in ("parameters", "metadata"):
        if not isinstance(picked.get(name, {}), Mapping):
            raise InvalidRequest(f"`{name}` is an object.", field=name, value=picked[name])
    known = card.parameters_schema.get("properties", {})
    job = {name: picked[name] for name in NATIVE if name in picked}
    given = job.get("parameters", {})
    loose = {name: value for name, value in picked.items() if name in known and name not in NATIVE}
    if loose:
        job["parameters"] = {**given, **loose}
    return job


def drawing(
    picked: Mapping[str, Any], card: ModelCard, images: Sequence[str], mask: str | None, *, count: str
) -> dict[str, Any]:
    """A native job of pictures as far as all faces say it alike; `count` is the face's name for `num_outputs`.

    Raises:
        InvalidRequest: `parameters` or `metadata` is no object.
    """
    return native_part(picked, card) | {
        "task": "edit" if images else "generate",
        "model": card.name,
        "prompt": picked.get("prompt", ""),
        "images": list(images),
        "mask": mask,
        "num_outputs": picked.get(count, 1),
    }


def text_field(picked: Mapping[str, Any], name: str, choices: Iterable[str] | None = None) -> str | None:
    """A text among the fields. Raises InvalidRequest: another type, or none of the choices."""
    value = picked.get(name)
    allowed = None if choices is None else tuple(choices)
    if value is not None and (not isinstance(value, str) or (allowed is not None and value not in allowed)):
        asked = "is no text" if allowed is None else f"is none of {', '.join(allowed)}"
        raise InvalidRequest(f"`{name}`: {value!r} {asked}.", field=name, value=value)
    return value


def whole_field(picked: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """A whole number among the fields. Raises InvalidRequest: another type, or outside of the bounds."""
    value = picked.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRequest(
            f"`{name}`: {value!r} is no whole number from {low} to {high}.", field=name, value=value
        )
    return value


def flag_field(picked: Mapping[str, Any], name: str) -> bool:
    """A truth value among the fields, false if absent. Raises InvalidRequest."""
    value = picked.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"`{name}`: {value!r} is neither true nor false.", field=name, value=value)
    return value


def unfolded(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A form's fields with their brackets undone: `a[b]=1` is `{"a": {"b": "1"}}`, `a[]=1` is `{"a": ["1"]}`."""
    body: dict[str, Any] = {}
    for name, value in pairs:
        outer, bracket, rest = name.partition("[")
        inner = rest.removesuffix("]")
        if not bracket:
            body[outer] = value
        elif inner == "" or inner.isdecimal():
            listed = body.setdefault(outer, [])
            if isinstance(listed, list):
                listed.append(value)
        else:
            held = body.setdefault(outer, {})
            if isinstance(held, dict):
                held[inner] = value
    return body


def typed(body: Mapping[str, Any], table: Table, card: ModelCard) -> dict[str, Any]:
    """A form's texts as the JSON types that they stand for; what does not fit stays text, and is refused later."""
    properties = card.parameters_schema.get("properties", {})
    kinds = {name: str(schema.get("type", "any")) for name, schema in properties.items()}
    kinds |= _TEXT_KINDS | table.kinds()
    return {name: _parsed(value, kinds.get(name, "string")) for name, value in body.items()}


def _parsed(value: Any, kind: str) -> Any:
    if not isinstance(value, str) or kind not in {*_PARSED_KINDS, "any"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
