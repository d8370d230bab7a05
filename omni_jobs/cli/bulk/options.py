"""The manifest and what its lines leave out: the options that the bulk commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from omni_jobs.bulk.manifest import Manifest, open_manifest
from omni_jobs.cli.context import Cli
from omni_jobs.cli.parameters import parameter

out_argument = click.argument("out", metavar="DIR|s3://BUCKET/PREFIX")


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


def local_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Whether a service is asked, and what is loaded if not."""
    options = [
        click.option("--local", is_flag=True, help="Use no service: load the models on this machine."),
        click.option(
            "--source", "sources", multiple=True, metavar="NAME=SOURCE", help="With --local: a model, as of `up`."
        ),
        click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="With --local: omni.toml."),
        click.option("--caps", help="With --local: calls that may share a forward, fixed(8) or measured."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def local_facts(cli: Cli, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options as a run remembers them."""
    config = options["config"] or cli.settings().config
    return {
        "local": options["local"],
        "sources": list(options["sources"]),
        "config": config and str(config.absolute()),
        "caps": options["caps"],
    }


def opened(manifest: Path, model: str | None, defaults: tuple[str, ...]) -> Manifest:
    """The manifest with the command line's defaults."""
    given = dict(parameter(text) for text in defaults)
    return open_manifest(manifest, ({"model": model} if model else {}) | given)
