"""What happened to one job: `logs JOB` shows its moves, and its own lines in the log files of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.schemas import Event


@click.command()
@click.argument("job_id", metavar="JOB")
@command
def logs(cli: Cli, job_id: str) -> None:
    """Show a job's moves, and every line about it in the data folder's logs."""
    with cli.client() as client:
        job = client.get(job_id)
        events: list[Event] = []
        for event in client.events(job) if job.sequence else ():
            if event.type.is_durable:
                events.append(event)
            if event.sequence >= job.sequence:
                break
    lines = list(lines_about(job_id, cli.settings().data_dir / "logs"))
    if cli.as_json:
        show.print_json({"events": [one.model_dump(mode="json", exclude_none=True) for one in events],
                         "lines": [{"file": file, "line": line} for file, line in lines]})  # fmt: skip
        return
    for event in events:
        facts = " ".join(f"{name}={json.dumps(value)}" for name, value in event.data.items() if name != "artifact")
        click.echo(
            f"{event.at.isoformat(timespec='milliseconds')}  {event.sequence:>3}  {event.type}  {facts}".rstrip()
        )
    for file, line in lines:
        click.echo(f"{file}: {line}")


def lines_about(job_id: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Lines that name the job, with their file, oldest file first."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    for path in files:
        with path.open(errors="replace") as file:
            for line in file:
                if job_id in line:
                    yield path.name, line.rstrip("\n")
