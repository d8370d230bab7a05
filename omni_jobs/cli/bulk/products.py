"""What becomes of a run afterwards: `bulk report` for people, `bulk export` for training code."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from omni_jobs.bulk.control import last_status, read_command
from omni_jobs.bulk.destination import open_destination
from omni_jobs.bulk.export import FORMS, made
from omni_jobs.bulk.summary import summary_of
from omni_jobs.bulk.workplace import read_journal
from omni_jobs.cli import show
from omni_jobs.cli.bulk.options import opened, out_argument
from omni_jobs.cli.context import Cli, command


@click.command()
@out_argument
@command
def report(cli: Cli, out: str) -> None:
    """Write OUT/report.html: contact sheets, speed over time, errors by cause."""
    # Only now: pictures need more packages than a client has.
    from omni_jobs.bulk.report import write_report

    settings = cli.settings()
    destination = open_destination(out, settings)
    status = last_status(destination)
    with closing(read_journal(destination, settings.data_dir)) as journal:
        summary = summary_of(journal.results())
    page = f"{destination.place.rstrip('/')}/{write_report(destination, summary, status)}"
    show.print_json({"report": page}) if cli.as_json else click.echo(page)


@click.command()
@out_argument
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
@click.option("--to", "form", type=click.Choice(list(FORMS)), required=True)
@command
def export(cli: Cli, out: str, target: Path, form: str) -> None:
    """Copy the outputs of the run at OUT to the folder TARGET, each with its prompt and parameters.

    `datasets` is a folder that `load_dataset("imagefolder", data_dir=TARGET)` reads; `webdataset` are tar shards.
    """
    settings = cli.settings()
    destination = open_destination(out, settings)
    facts = read_command(destination)
    manifest = opened(Path(facts["manifest"]), facts["model"], tuple(facts["set"]))
    with closing(read_journal(destination, settings.data_dir)) as journal:
        count = FORMS[form](destination, made(manifest, journal), target)
    show.print_json({"outputs": count}) if cli.as_json else click.echo(f"{count} outputs in {target}")
