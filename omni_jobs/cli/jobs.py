"""Looking at jobs and calling them off: `watch`, `get`, `list`, `cancel`, `retry`."""

from __future__ import annotations

from pathlib import Path

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.errors import JobFailed
from omni_jobs.schemas import Job, Status

save_option = click.option(
    "--save", type=click.Path(file_okay=False, path_type=Path), help="Download the outputs into this folder."
)
timeout_option = click.option("--timeout", type=float, metavar="SECONDS", help="Give up waiting after so long.")


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@timeout_option
@save_option
@command
def watch(cli: Cli, jobs: tuple[str, ...], timeout: float | None, save: Path | None) -> None:
    """Follow jobs until they end. Fails if one of them did not succeed."""
    with cli.client() as client:
        found = [client.get(job) for job in jobs]
        ended = show.wait_for(client, found, timeout, quiet=cli.as_json)
        report(cli, ended, show.save(client, ended, save) if save else [])


@click.command()
@click.argument("job")
@save_option
@command
def get(cli: Cli, job: str, save: Path | None) -> None:
    """Show one job: its status, progress or why it waits, its outputs or its error."""
    with cli.client() as client:
        found = client.get(job)
        saved = show.save(client, [found], save) if save else []
    if cli.as_json:
        show.print_json(found.to_json())
        return
    show.print_job(found)
    for path in saved:
        click.echo(f"saved {path}")


@click.command("list")
@click.option("--status", type=click.Choice([str(status) for status in Status]))
@click.option("--model")
@click.option("--tag")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", help="Continue where the page before ended.")
@command
def list_jobs(
    cli: Cli, status: str | None, model: str | None, tag: str | None, limit: int, cursor: str | None
) -> None:
    """List jobs, newest first."""
    with cli.client() as client:
        page = client.list(status=status, model=model, tag=tag, limit=limit, cursor=cursor)
    if cli.as_json:
        show.print_json({"jobs": [job.to_json() for job in page.jobs], "cursor": page.cursor})
        return
    show.print_table(page.jobs)
    if page.cursor:
        click.echo(f"more: --cursor {page.cursor}", err=True)


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@command
def cancel(cli: Cli, jobs: tuple[str, ...]) -> None:
    """Call jobs off; a running one is dropped at its next call."""
    with cli.client() as client:
        canceled = [client.cancel(job) for job in jobs]
    for job in canceled:
        if cli.as_json:
            show.print_json(job.to_json())
        else:
            click.echo(f"{job.id} {job.status}")


@click.command()
@click.argument("job")
@command
def retry(cli: Cli, job: str) -> None:
    """Submit a finished job again, as a new one with the same seed."""
    with cli.client() as client:
        again = client.retry(job)
    if cli.as_json:
        show.print_json(again.to_json())
    else:
        click.echo(again.id)


def report(cli: Cli, ended: list[Job], saved: list[Path]) -> None:
    """Print how jobs ended; raise JobFailed for the first that did not succeed."""
    for job in ended:
        if cli.as_json:
            show.print_json(job.to_json())
        else:
            show.print_job(job)
    if not cli.as_json:
        for path in saved:
            click.echo(f"saved {path}")
    bad = [job for job in ended if job.status is not Status.SUCCEEDED]
    if bad:
        raise JobFailed(f"{len(bad)} of {len(ended)} jobs did not succeed.", job=bad[0])
