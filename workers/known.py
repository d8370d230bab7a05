"""Models known by name before any configuration: packaged rows, plug-ins' rows, rows that `register_model` added.

`registry` fills a model's table in `omni.toml` up from here. A row is data; what it names is imported when its
engine process loads the model, and a plug-in's row is read when somebody asks for its name.
`python -m workers.known` lists them as JSON, for `omni-jobs models --known`.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from omni_jobs.errors import Misconfigured
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS

#: Entry points of plug-ins: the model's name, and the row as a mapping (`my-model = "my_package.rows:MY_MODEL"`).
PLUGINS = "omni_jobs.models"
ROWS = Path(__file__).parent / "models" / "rows.toml"

SHAPES: dict[str, Any] = {
    "source": str(WEIGHTS),
    "pipeline_class": "FluxKontextPipeline",
    "dtype": "float32",
    "defaults": DEFAULT_PARAMETERS,
    "limits": {"height": 64, "width": 64, "max_area": 64 * 64, "num_inference_steps": 50},
    "description": "Draws one coloured shape on a plain background, as the prompt says, and edits it as told.",
    "licence": "apache-2.0",
}

Table = dict[str, Any]
_registered: dict[str, Mapping[str, Any]] = {}


@cache
def packaged_rows() -> dict[str, Table]:
    """The rows that come with the package, by name."""
    return {"shapes": SHAPES, **tomllib.loads(ROWS.read_text("utf-8"))}


def add_row(name: str, table: Mapping[str, Any]) -> None:
    """Make a row known in this process; it wins over a plug-in's and a packaged one of its name."""
    _registered[name] = table


def known_names() -> list[str]:
    """The names of all known rows; plug-ins are not read."""
    return sorted({*packaged_rows(), *_plugins(), *_registered})


def known_row(name: str) -> Table | None:
    """The table that a name, an alias or a hub id means, without its aliases; None if nothing is known by it.

    Raises:
        Misconfigured: the plug-in of this name cannot be read.
    """
    table = _find(_registered, name) or _plugin_row(name) or _find(packaged_rows(), name)
    return None if table is None else {key: value for key, value in table.items() if key != "aliases"}


def _find(rows: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    if name in rows:
        return rows[name]
    fitting = (row for row in rows.values() if name in row.get("aliases", ()) or name == row.get("source"))
    return next(fitting, None)


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=PLUGINS)}


def _plugin_row(name: str) -> Mapping[str, Any] | None:
    point = _plugins().get(name)
    if point is None:
        return None
    had_torch = "torch" in sys.modules
    try:
        row = point.load()
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            f"Model `{name}`: its plug-in {point.value!r} cannot be imported: {error}.", field="model", value=name
        ) from error
    if not isinstance(row, Mapping) or ("torch" in sys.modules and not had_torch):
        raise Misconfigured(
            f"Model `{name}`: {point.value!r} must be a mapping in a module that does not import torch.",
            field="model",
            value=name,
            remedy="Name classes and functions as strings; the engine process imports them.",
        )
    return row


def main() -> None:
    """Print every known row, as JSON by name; one that cannot be read says why."""
    rows: dict[str, Any] = {}
    for name in known_names():
        try:
            rows[name] = _find(_registered, name) or _plugin_row(name) or packaged_rows().get(name)
        except Misconfigured as error:
            rows[name] = {"error": str(error)}
    sys.stdout.write(json.dumps(rows, default=dict) + "\n")


if __name__ == "__main__":
    main()
