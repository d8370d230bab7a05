"""The recorded runs as one table: `make chaos-report`. Documentation shows the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
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


#: Of a run of `make overload`: heading, and what it says of the facts.
OVERLOAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "jobs a second: done, asked for": lambda run: (
        f"{run['capacity_jobs_per_second']:g}, {run['asked_for_jobs_per_second']:g}"
    ),
    "answers": lambda run: ", ".join(f"{count} {word}" for word, count in run["answers"].items()),
    "deepest queue, admitted": lambda run: f"{run['deepest_queue']}, {run['admitted']}",
    "wait of the small account: median, longest": lambda run: (
        f"{run['calm_wait_seconds']['median']:g} s, {run['calm_wait_seconds']['longest']:g} s"
    ),
    "backlog drained in": lambda run: f"{run['drain_seconds']:g} s",
    "memory: worker, API, Redis": lambda run: ", ".join(
        grown(*run["resident_bytes"][name] if name in run["resident_bytes"] else run["redis_bytes"])
        for name in ("worker-0", "api-0", "redis")
    ),
    "broken": lambda run: len(run["broken"]),
}


def overload() -> str:
    """Markdown: a line for each run of `make overload` that is kept."""
    runs = [json.loads(path.read_text()) for path in sorted(RUNS.glob("overload-*.json"))]
    lines = [f"| run | {' | '.join(OVERLOAD)} |", "|---" * (len(OVERLOAD) + 1) + "|"]
    lines += [
        f"| `{run['command']}` | {' | '.join(str(tell(run)) for tell in OVERLOAD.values())} |" for run in runs
    ]
    return "\n".join(lines)


def grown(before: int, after: int) -> str:
    """Two sizes in MiB."""
    return f"{before / 2**20:.0f} → {after / 2**20:.0f} MiB"


def row(name: str, run: dict[str, Any] | Counter[str]) -> str:
    return f"| {name} | {' | '.join(f'{run[column]:g}' for column in COLUMNS)} |"


if __name__ == "__main__":
    click.echo(table())
    click.echo()
    click.echo(faults())
    click.echo()
    click.echo(overload())
