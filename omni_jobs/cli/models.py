"""The catalogue: `models`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.workers import opened_store
from omni_jobs.errors import UnknownModel
from omni_jobs.schemas import ModelCard, nearest


@click.command()
@click.argument("name", required=False)
@click.option("--verbose", is_flag=True, help="Also how each live worker merges its calls, and what was proved.")
@command
def models(cli: Cli, name: str | None, verbose: bool) -> None:
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
    if verbose and not cli.as_json:
        _print_merging(cli, name)


def _print_merging(cli: Cli, only: str | None) -> None:
    """What the live workers say of batching: proofs made, rules they needed, and why calls ran alone."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with opened_store(cli) as store:
        workers = store.workers()
    for worker in workers:
        for model, report in (worker.details.get("merging") or {}).items():
            if only not in (None, model):
                continue
            console.print(f"{model} on {worker.id}: {report['proofs']} proofs, {report['audits']} audits")
            console.print(f"  needed: {', '.join(report['rules']) or 'nothing beyond joining rows'}")
            for reason, calls in report["alone"].items():
                console.print(f"  alone:  {calls} calls, {reason}")


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
