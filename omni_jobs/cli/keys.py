"""API keys from the command line: `keys create`, `list`, `revoke`. They talk to Redis, as workers do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.times import span
from omni_jobs.cli.workers import opened_store
from omni_jobs.names import DEFAULT_ACCOUNT
from omni_jobs.schemas.access import ApiKey, Scope


@click.group()
def keys() -> None:
    """Make and revoke the keys by which the HTTP API knows its callers."""


@keys.command("create")
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Whose jobs the key sees and submits.")
@click.option("--name", default="", help="What the key is for, to tell it from others.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(scope) for scope in Scope]),
    multiple=True,
    default=("submit", "read"),
    show_default=True,
    help="What it may do; may be given several times. `admin` may do all.",
)
@click.option("--lifetime", type=span, metavar="SPAN", help="How long it is good: 12h, 90d; default: for ever.")
@command
def create(cli: Cli, account: str, name: str, scopes: tuple[str, ...], lifetime: timedelta | None) -> None:
    """Make a key. It is shown this once: only a digest is kept."""
    with opened_store(cli) as store:
        made, text = store.issue_key(account, name=name, scopes=map(Scope, scopes), lifetime=lifetime)
    if cli.as_json:
        show.print_json({**made.model_dump(mode="json", exclude_none=True), "key": text})
        return
    click.echo(text)
    good = f" until {_time(made.expires_at)}" if made.expires_at else ""
    click.echo(f"{made.id} of account {made.account}{good}; it is not shown again", err=True)


@keys.command("list")
@click.option("--account", help="Only this account's.")
@command
def list_keys(cli: Cli, account: str | None) -> None:
    """The keys, oldest first, with their last use."""
    with opened_store(cli) as store:
        found = store.issued_keys(account)
    if cli.as_json:
        show.print_json([one.model_dump(mode="json", exclude_none=True) for one in found])
        return
    table = show.table_of("KEY", "ACCOUNT", "NAME", "SCOPES", "CREATED", "LAST USE", "EXPIRES", "STATE")
    for one in found:
        table.add_row(*_row(one))
    Console().print(table)


@keys.command("revoke")
@click.argument("key_ids", metavar="KEY...", nargs=-1, required=True)
@command
def revoke(cli: Cli, key_ids: tuple[str, ...]) -> None:
    """End keys at once, by their ids (`key_...`). Jobs that they submitted go on."""
    with opened_store(cli) as store:
        for one in [store.revoke_key(key_id) for key_id in key_ids]:
            if cli.as_json:
                show.print_json(one.model_dump(mode="json", exclude_none=True))
            else:
                click.echo(f"{one.id} of account {one.account} is revoked")


def _row(key: ApiKey) -> tuple[str, ...]:
    created = key.created_at.strftime("%Y-%m-%d")
    expires = _time(key.expires_at) if key.expires_at else "never"
    used = _time(key.used_at) if key.used_at else "never"
    state = key.state(datetime.now(UTC))
    return key.id, key.account, key.name, " ".join(key.scopes), created, used, expires, state


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
