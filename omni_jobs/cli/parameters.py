"""`--parameter NAME=VALUE` of several commands: values are JSON, or else text."""

from __future__ import annotations

import json
from typing import Any

import click


def parameter(text: str) -> tuple[str, Any]:
    """The name and the value. Raises a usage error without a `=`."""
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--parameter {text!r}: write NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
