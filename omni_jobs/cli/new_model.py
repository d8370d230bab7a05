"""`new-model`: the row, an example, a test and a verification card of a model, made by examining it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.findings import Finding, answers
from omni_jobs.cli.parameters import parameter

MODULE = "workers.new_model"


@click.command("new-model")
@click.argument("name")
@click.option("--source", help="A folder written by save_pretrained, or a hub id; a known model needs none.")
@click.option("--pipeline-class", help="A class of diffusers by its name, or a qualified name; else the source's.")
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), help="Default: float32.")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="What a job leaves out."
)
@click.option("--steps", type=click.IntRange(1, 200), default=4, show_default=True, help="Steps of each check.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder to write; default: NAME.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@command
def new_model(cli: Cli, name: str, output: Path | None, parameters: tuple[str, ...], **options: Any) -> None:
    """Examine a model and write its row, an example, a test and a verification card.

    Fails if something is wrong; the card then says what.
    """
    question = {
        "name": name,
        "folder": str((output or Path(name)).absolute()),
        "parameters": dict(map(parameter, parameters)),
        **options,
    }
    console = Console(soft_wrap=True, quiet=cli.as_json)
    last: Mapping[str, Any] = {}
    for last in answers(MODULE, question):
        if "finding" in last:
            found = last["finding"]
            Finding(found["name"], found["state"], found["text"], found["remedy"]).show(console)
    if cli.as_json:
        show.print_json(dict(last))
    for path in last["files"]:
        console.print(path, markup=False, highlight=False)
    if not last["right"]:
        sys.exit(1)
