"""What accounts and keys may take and what they used: `limits` and `usage`. They talk to Redis, as workers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.workers import opened_store
from omni_jobs.names import DEFAULT_ACCOUNT
from omni_jobs.store.allowances import KEPT_DAYS, LIFTED

DEFAULT = "default"
F = TypeVar("F", bound=Callable[..., Any])


def _amount(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """A number, `none` for no limit, or `default`."""
    digits = (value or "0").replace(".", "", 1)
    if value not in (LIFTED, DEFAULT) and not (digits.isascii() and digits.isdigit()):
        raise click.BadParameter(f"{value!r} is no number, nor `none` or `default`.")
    return value


def _limit(name: str, meaning: str) -> Callable[[F], F]:
    return click.option(name, callback=_amount, metavar="N|none|default", help=meaning)


@click.command()
@click.argument("owner", metavar="ACCOUNT|KEY")
@_limit("--requests-per-minute", "Requests over HTTP.")
@_limit("--queued-jobs", "Jobs that may wait; of accounts alone.")
@_limit("--device-seconds-per-day", "Device time; a day is one of UTC.")
@_limit("--bytes-per-day", "Uploads and outputs together.")
@command
def limits(cli: Cli, owner: str, **given: str | None) -> None:
    """Show or change the limits of an account, or of one key (`key_...`), which has its account's as well.

    Those that it has not of its own come from the settings, OMNI_REQUESTS_PER_MINUTE and so on.
    """
    changes = {name: None if value == DEFAULT else value for name, value in given.items() if value is not None}
    with opened_store(cli) as store:
        found = store.owner_of(owner)
        store.set_limits(found, changes)
        own = store.own_limits(found)
    if cli.as_json:
        show.print_json({"owner": found, "limits": own})
        return
    for name in given:
        click.echo(f"{name}  {own.get(name, DEFAULT)}")


@click.command()
@click.argument("owner", metavar="[ACCOUNT|KEY]", default=DEFAULT_ACCOUNT)
@click.option("--days", type=click.IntRange(1, KEPT_DAYS), default=7, show_default=True)
@command
def usage(cli: Cli, owner: str, days: int) -> None:
    """What an account, or one key (`key_...`), used on each of the last days of UTC, today first."""
    with opened_store(cli) as store:
        found = store.usage(store.owner_of(owner), days)
    if cli.as_json:
        show.print_json([one.model_dump(mode="json") for one in found])
        return
    table = show.table_of("DAY")
    for column in ("REQUESTS", "JOBS", "SUCCEEDED", "FAILED", "OUTPUTS", "DEVICE S", "MB"):
        table.add_column(column, justify="right")
    for one in found:
        counts = (one.requests, one.jobs, one.succeeded, one.failed, one.outputs)
        figures = (f"{one.device_seconds:.1f}", f"{one.bytes / 1e6:.1f}")
        table.add_row(str(one.day), *map(str, counts), *figures)
    Console().print(table)
