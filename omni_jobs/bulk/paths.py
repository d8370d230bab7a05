"""Where outputs lie: a template like `{model}/{line_id}_{index}.{ext}`, filled and fit for any store. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from omni_jobs.bulk.manifest import Line
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import nearest

DEFAULT_PATH = "{model}/{line_id}_{index}.{ext}"
#: What a template may name, each with an example.
NAMES: dict[str, Any] = {"model": "m", "line_id": "0", "line": 1, "id": "a", "seed": 1, "index": 0, "ext": "png"}
#: One of these tells a line's outputs from another's.
TELLING = {"line_id", "line", "id"}
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "application/safetensors": "safetensors",
}
_FOREIGN = re.compile(r"[^A-Za-z0-9._=+,@-]+")


class PathTemplate:
    """Makes the key of each output of each line."""

    def __init__(self, text: str = DEFAULT_PATH) -> None:
        """Raises InvalidRequest for a name that is not known, or if two outputs could have one path."""
        self.text = text
        try:
            names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            text.format(**NAMES)
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            raise InvalidRequest(
                f"`path`: {text!r}: {error}.", field="path", value=text, remedy=f"Names: {', '.join(NAMES)}."
            ) from None
        unknown = next((name for name in names if name not in NAMES), None)
        if unknown is not None:
            raise InvalidRequest(
                f"`path`: {{{unknown}}} is not known.", field="path", value=text, remedy=nearest(unknown, NAMES)
            )
        if "index" not in names or not names & TELLING:
            raise InvalidRequest(
                f"`path`: {text!r} gives different outputs one path.",
                field="path",
                value=text,
                remedy="Use {index}, and {line_id}, {line} or {id}.",
            )

    def key(self, line: Line, index: int, extension: str) -> str:
        """The key of one output, in the alphabet that every store takes."""
        request = line.request
        values: Mapping[str, Any] = {
            "model": _part(request.model),
            "line_id": line.id,
            "line": line.number,
            "id": _part(line.name or line.id),
            "seed": line.seed + index,
            "index": index,
            "ext": extension,
        }
        parts = self.text.format(**values).split("/")
        return "/".join(_part(part) for part in parts if part not in ("", ".", ".."))


def _part(text: str) -> str:
    fit = _FOREIGN.sub("-", text)[:180]
    return fit if fit.strip(".") else "-"
