"""The catalogue: `models`, and the models known by name before any worker serves them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.workers import opened_store
from omni_jobs.errors import Misconfigured, UnknownModel
from omni_jobs.schemas import ModelCard, nearest

KNOWN_MODULE = "workers.known"


@click.command()
@click.argument("name", required=False)
@click.option("--verbose", is_flag=True, help="Also how each live worker merges its calls, and what was proved.")
@click.option("--known", is_flag=True, help="Models that `up --model NAME` takes without a source, served or not.")
@command
def models(cli: Cli, name: str | None, verbose: bool, known: bool) -> None:
    """List what can be asked for, or one model's parameters."""
    if known:
        _print_known(cli, name)
        return
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
        table = show.table_of("MODEL", "TASKS", "MEDIA", "PIPELINE")
        for card in cards.values():
            table.add_row(card.name, ", ".join(card.tasks), card.media, card.pipeline)
        Console().print(table)
    if verbose and not cli.as_json:
        _print_merging(cli, name)


def _print_known(cli: Cli, name: str | None) -> None:
    rows = known_models()
    if name is not None and name not in rows:
        raise UnknownModel(
            f"No model is known as {name!r}.", field="model", value=name, remedy=nearest(name, rows)
        )
    chosen = {name: rows[name]} if name else rows
    if cli.as_json:
        show.print_json(chosen)
        return
    table = show.table_of("MODEL", "SOURCE", "PIPELINE", "LICENCE", overflow="fold")
    for known, row in chosen.items():
        source = row.get("source", row.get("error", ""))
        facts = (known, source, row.get("pipeline_class", ""), row.get("licence", ""))
        table.add_row(*map(escape, facts))
    Console().print(table)


def known_models() -> dict[str, Any]:
    """The known rows by name, as a child of this process reads them: this one never imports `workers`.

    Raises:
        Misconfigured: they cannot be read; this installation may have no workers.
    """
    done = subprocess.run([sys.executable, "-m", KNOWN_MODULE], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Misconfigured(f"The known models cannot be read: {lines[-1]}", field="known")
    rows: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return rows


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
    table = show.table_of("PARAMETER", "TYPE", "RANGE", "DEFAULT")
    for name, schema in sorted(card.parameters_schema.get("properties", {}).items()):
        bounds = f"{schema.get('minimum', '')}..{schema.get('maximum', '')}"
        default = card.defaults.get(name)
        shown = "" if bounds == ".." else bounds
        table.add_row(name, str(schema.get("type", "")), shown, "" if default is None else str(default))
    console.print(table)
