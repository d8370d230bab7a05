"""The recorded runs as one table: `make chaos-report`. Documentation shows the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

RUNS = Path(__file__).parents[2] / "docs" / "reliability"
COLUMNS = ("minutes", "faults", "acknowledged", "takeovers", "webhooks_received", "lost", "violations")


def recorded() -> list[dict[str, Any]]:
    """The runs that are kept, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(RUNS.glob("chaos-*.json"))]


def table() -> str:
    """Markdown: a line a run, and their sum."""
    runs = recorded()
    lines = [f"| run | {' | '.join(COLUMNS).replace('_', ' ')} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [row(f"`{run['command']}`", run) for run in runs]
    total: Counter[str] = Counter()
    for run in runs:
        total.update({name: run[name] for name in COLUMNS})
    return "\n".join([*lines, row("all", total)])


def faults() -> str:
    """Markdown: how often each fault struck in all recorded runs."""
    total: Counter[str] = Counter()
    for run in recorded():
        total.update(run["faults_by_name"])
    return "\n".join(["| fault | times |", "|---|---|", *(f"| {name} | {n} |" for name, n in total.most_common())])


def row(name: str, run: dict[str, Any] | Counter[str]) -> str:
    return f"| {name} | {' | '.join(f'{run[column]:g}' for column in COLUMNS)} |"


if __name__ == "__main__":
    click.echo(table())
    click.echo()
    click.echo(faults())
