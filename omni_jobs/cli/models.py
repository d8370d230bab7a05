"""The catalogue: `models`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.errors import UnknownModel
from omni_jobs.schemas import ModelCard, nearest


@click.command()
@click.argument("name", required=False)
@command
def models(cli: Cli, name: str | None) -> None:
    """List what can be asked for, or one model's parameters."""
    with cli.client() as client:
        cards = {card.name: card for card in client.models()}
    if name is not None and name not in cards:
        raise UnknownModel(f"There is no model {name!r}.", field="model", value=name, remedy=nearest(name, cards))
    if cli.as_json:
        chosen = [cards[name]] if name else list(cards.values())
        show.print_json([card.model_dump(mode="json", exclude_none=True) for card in chosen])
    elif name is not None:
        _print_parameters(cards[name])
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("MODEL", "TASKS", "MEDIA", "PIPELINE"):
            table.add_column(column)
        for card in cards.values():
            table.add_row(card.name, ", ".join(card.tasks), card.media, card.pipeline)
        Console().print(table)


def _print_parameters(card: ModelCard) -> None:
    console = Console(soft_wrap=True)
    console.print(f"{card.name}  {card.pipeline}  {', '.join(card.tasks)}", highlight=False)
    if card.description:
        console.print(f"  {card.description}", markup=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    for column in ("PARAMETER", "TYPE", "RANGE", "DEFAULT"):
        table.add_column(column)
    for name, schema in sorted(card.parameters_schema.get("properties", {}).items()):
        bounds = f"{schema.get('minimum', '')}..{schema.get('maximum', '')}"
        default = card.defaults.get(name)
        shown = "" if bounds == ".." else bounds
        table.add_row(name, str(schema.get("type", "")), shown, "" if default is None else str(default))
    console.print(table)
