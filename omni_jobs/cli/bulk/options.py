"""The manifest and what its lines leave out: the options that the bulk commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from omni_jobs.bulk.manifest import Manifest, open_manifest
from omni_jobs.cli.parameters import parameter


def manifest_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The manifest, and what its lines leave out."""
    options = [
        click.argument("manifest", type=click.Path(path_type=Path)),
        click.option("--model", "-m", help="The model of lines that name none."),
        click.option(
            "--set",
            "-s",
            "defaults",
            multiple=True,
            metavar="FIELD=VALUE",
            help="A field for lines that lack it; text may hold {placeholders} for the line's values.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def opened(manifest: Path, model: str | None, defaults: tuple[str, ...]) -> Manifest:
    """The manifest with the command line's defaults."""
    given = dict(parameter(text) for text in defaults)
    return open_manifest(manifest, ({"model": model} if model else {}) | given)
