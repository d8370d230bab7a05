"""The source of a model that needs no weights: `simulated`, or `simulated?launch_ms=5&row_ms=1`. Read by rows."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

SIMULATED = "simulated"


def simulated_options(source: str) -> dict[str, Any]:
    """The options in the query of such a source; numbers become numbers."""
    options: dict[str, Any] = {}
    for name, text in parse_qsl(source.partition("?")[2], keep_blank_values=True):
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options
