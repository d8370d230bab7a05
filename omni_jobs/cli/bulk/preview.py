"""`bulk expand` and `bulk check`: what a manifest comes to, and what is wrong with it, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from omni_jobs.bulk.checking import Checker
from omni_jobs.bulk.control import read_command
from omni_jobs.bulk.destination import open_destination
from omni_jobs.bulk.estimate import Estimate
from omni_jobs.bulk.manifest import Line, Problem, Repeat
from omni_jobs.bulk.results import Result
from omni_jobs.bulk.workplace import read_journal
from omni_jobs.cli import show
from omni_jobs.cli.bulk.backends import catalogue
from omni_jobs.cli.bulk.options import local_facts, local_options, manifest_options, opened
from omni_jobs.cli.context import Cli, command
from omni_jobs.errors import Misconfigured, Unavailable
from omni_jobs.schemas import ModelCard

#: Bad lines that a person is shown; a program gets all.
SHOWN_PROBLEMS = 50


@click.command()
@manifest_options
@local_options
@click.option("--first", default=5, show_default=True, help="Resolved lines to show.")
@click.option("--out", metavar="OUT", help="A run of it that began: what it took so far corrects the estimate.")
@command
def expand(
    cli: Cli,
    manifest: Path,
    model: str | None,
    defaults: tuple[str, ...],
    first: int,
    out: str | None,
    **options: Any,
) -> None:
    """Show what a manifest comes to: how many lines, the first ones resolved, expected device time and bytes."""
    found = opened(manifest, model, defaults)
    cards: dict[str, ModelCard] = {}
    with suppress(Unavailable, Misconfigured):  # without a service only the models' defaults are unknown
        cards = catalogue(cli, found, local_facts(cli, options))
    total = Estimate()
    with journal_at(cli, out) as find:
        for entry in found.entries():
            total.add(entry, cards, find(entry.id))
            if isinstance(entry, Line) and total.lines <= first:
                show.print_json(resolved(entry))
    if cli.as_json:
        show.print_json(total.to_json())
    else:
        print_estimate(total)


def print_estimate(found: Estimate) -> None:
    """The totals for a person."""
    click.echo(
        f"{found.lines} lines, {found.pictures} outputs"
        + (f", {found.done} lines done" if found.done else "")
        + (f", {found.repeats} repeats of earlier lines" if found.repeats else "")
        + (f", {found.problems} bad lines (`omni-jobs bulk check` names them)" if found.problems else "")
    )
    hours, gibibytes = found.total.device_seconds / 3600, found.total.size_bytes / 2**30
    basis = f"as {found.done} lines have shown" if found.done else "a guess by steps and pixels"
    click.echo(f"{hours:.2f} h of device time and {gibibytes:.2f} GiB in all, {basis}")


@contextmanager
def journal_at(cli: Cli, out: str | None) -> Iterator[Callable[[str], Result | None]]:
    """How to find what became of a line in the run at `out`; nothing is found without one."""
    if out is None:
        yield lambda line_id: None
        return
    settings = cli.settings()
    destination = open_destination(out, settings)
    read_command(destination)
    with closing(read_journal(destination, settings.data_dir)) as journal:
        yield journal.find


@click.command()
@manifest_options
@local_options
@click.option("--form-only", is_flag=True, help="Ask no service what its models take.")
@command
def check(
    cli: Cli, manifest: Path, model: str | None, defaults: tuple[str, ...], form_only: bool, **options: Any
) -> None:
    """Report every bad line with its number and column. Nothing is rendered; exits with 2 if a line is bad."""
    from omni_jobs.media_check import check_picture

    found = opened(manifest, model, defaults)
    entries = found.entries(check_picture)
    if not form_only:
        entries = Checker(catalogue(cli, found, local_facts(cli, options))).entries(entries)
    bad = good = repeats = 0
    for entry in entries:
        good += isinstance(entry, Line)
        repeats += isinstance(entry, Repeat)
        if not isinstance(entry, Problem):
            continue
        bad += 1
        if cli.as_json:
            show.print_json(entry.to_json())
        elif bad <= SHOWN_PROBLEMS:
            click.echo(problem_text(entry))
    if cli.as_json:
        show.print_json({"good": good, "bad": bad, "repeats": repeats})
    else:
        click.echo(f"{bad} bad, {good} good" + (f", {repeats} repeats of earlier lines" if repeats else ""))
    if bad:
        raise SystemExit(2)


def problem_text(problem: Problem) -> str:
    """One line for a person."""
    column = "" if problem.column is None else f", column {problem.column}"
    return f"line {problem.number}{column}: {problem.message}"


def resolved(line: Line) -> dict[str, Any]:
    """A line as it will be rendered."""
    job = line.request.model_dump(mode="json", exclude_defaults=True)
    return {"line": line.number, "line_id": line.id, **({"id": line.name} if line.name else {}), "job": job}
