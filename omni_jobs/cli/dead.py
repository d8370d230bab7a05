"""Jobs that ended without a result, and another try for them: `dead list`, `dead redrive`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.client import Client
from omni_jobs.schemas import Job, Status

PAGE = 200
code_option = click.option("--code", help="Only jobs that failed with this code, such as `poisoned`.")
model_option = click.option("--model", help="Only jobs of this model.")


@click.group()
def dead() -> None:
    """Jobs that failed: why, and another try."""


@dead.command("list")
@code_option
@model_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@command
def list_dead(cli: Cli, code: str | None, model: str | None, limit: int) -> None:
    """Failed jobs with their reason, newest first."""
    with cli.client() as client:
        found = list(islice(failed_jobs(client, code, model), limit))
    if cli.as_json:
        show.print_json({"jobs": [job.to_json() for job in found]})
        return
    for job in found:
        if job.error is not None:
            click.echo(
                f"{job.id} {job.request.model} attempt {job.attempt}: {job.error.code}: {job.error.message}"
            )


@dead.command()
@click.argument("jobs", nargs=-1)
@click.option("--all", "all_jobs", is_flag=True, help="Every failed job that fits; without it, name them.")
@code_option
@model_option
@command
def redrive(cli: Cli, jobs: tuple[str, ...], all_jobs: bool, code: str | None, model: str | None) -> None:
    """Submit failed jobs again, each as a new one that names the old in `retry_of`."""
    if bool(jobs) == all_jobs:
        raise click.UsageError("Name jobs, or give --all.")
    with cli.client() as client:
        chosen = (job.id for job in failed_jobs(client, code, model)) if all_jobs else iter(jobs)
        for old in chosen:
            new = client.retry(old)
            if cli.as_json:
                show.print_json(new.to_json())
            else:
                click.echo(f"{old} -> {new.id}")


def failed_jobs(client: Client, code: str | None, model: str | None) -> Iterator[Job]:
    """Failed jobs, newest first, read page by page: jobs that are new since the first are not met."""
    cursor = None
    while True:
        page = client.list(status=Status.FAILED, model=model, error_code=code, limit=PAGE, cursor=cursor)
        yield from page.jobs
        cursor = page.cursor
        if cursor is None:
            return
