"""What became of webhooks (`webhooks log`), sending them again (`replay`), and a test event (`test`).

They talk to Redis, as workers do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from pydantic import HttpUrl, TypeAdapter, ValidationError
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.times import when
from omni_jobs.cli.workers import opened_store
from omni_jobs.errors import ExecutionFailed, InvalidRequest
from omni_jobs.names import DEFAULT_ACCOUNT
from omni_jobs.schemas.deliveries import DeliveryState, DeliveryView
from omni_jobs.store import DeliveryFilter
from omni_jobs.webhooks.endpoints import Endpoint, Endpoints

if TYPE_CHECKING:
    from omni_jobs.store import JobStore

PAGE = 200
#: Pause between two looks at a test event.
LOOK_SECONDS = 0.1

account_option = click.option("--account", default=DEFAULT_ACCOUNT, show_default=True)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which deliveries are meant."""
    for option in (
        click.option("--until", type=when, metavar="TIME", help="Only events before this time."),
        click.option(
            "--since",
            type=when,
            metavar="TIME",
            help="Only events from this time on: 2026-01-31T12:00Z, or 2h for two hours ago.",
        ),
        click.option("--job", "job_id", help="Only what was told of this job."),
        click.option("--type", "event_type", help="Only this event, such as `job.succeeded`."),
        click.option("--receiver", metavar="URL", help="Only those to this URL."),
        click.option("--state", type=click.Choice([str(state) for state in DeliveryState])),
    ):
        function = option(function)
    return function


@click.command()
@filter_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@account_option
@command
def log(cli: Cli, limit: int, account: str, **wanted: Any) -> None:
    """What was sent, what waits and what was given up, newest first, each with its tries."""
    with opened_store(cli) as store:
        found = list(islice(_all(store, account, _filter(**wanted)), limit))
    if cli.as_json:
        show.print_json([one.model_dump(mode="json", exclude_none=True) for one in found])
        return
    table = show.table_of("DELIVERY", "EVENT", "STATE", "TRIES", "MS", "TO", "SAID", overflow="fold")
    for one in found:
        table.add_row(*_row(one))
    Console().print(table)


@click.command()
@click.argument("deliveries", nargs=-1)
@click.option("--all", "all_given_up", is_flag=True, help="Everything that was given up and fits.")
@filter_options
@account_option
@command
def replay(cli: Cli, deliveries: tuple[str, ...], all_given_up: bool, account: str, **wanted: Any) -> None:
    """Send deliveries again, from the first try on, each with the id that it had.

    Name them, or say a range with --since, or --all for what was given up. One that waits is tried now.
    """
    if sum((bool(deliveries), all_given_up, wanted["since"] is not None)) != 1:
        raise click.UsageError("Name deliveries (see `omni-jobs webhooks log`), or give --since, or --all.")
    if all_given_up:
        wanted["state"] = wanted["state"] or DeliveryState.GIVEN_UP
    with opened_store(cli) as store:
        sent = store.replay(account, deliveries) if deliveries else store.replay_all(account, _filter(**wanted))
    for one in sent:
        click.echo(one)


@click.command()
@click.argument("endpoint")
@click.option("--timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait.")
@account_option
@command
def test(cli: Cli, endpoint: str, timeout: float, account: str) -> None:
    """Send one signed test event to an endpoint, by its id or URL, and tell what it answered."""
    with opened_store(cli) as store:
        known = _endpoint(Endpoints(store), account, endpoint)
        sent = store.post_test(account, known.url)
        ends = time.monotonic() + timeout
        while (view := store.delivery(account, sent)[0]).state is DeliveryState.WAITING:
            if time.monotonic() > ends:
                raise ExecutionFailed(f"{sent} was not sent within {timeout:g} s.", remedy="Does a courier run?")
            time.sleep(LOOK_SECONDS)
    if cli.as_json:
        show.print_json(view.model_dump(mode="json", exclude_none=True))
    if view.state is not DeliveryState.DELIVERED:
        raise ExecutionFailed(f"{known.url} did not take the test event: {view.error}")
    if not cli.as_json:
        click.echo(
            f"{view.id} delivered: HTTP {view.attempts[-1].status} after {view.attempts[-1].duration_ms} ms"
        )


def _endpoint(endpoints: Endpoints, account: str, name: str) -> Endpoint:
    """The endpoint with this id or URL. Raises NotFound."""
    by_url = {one.url: one for one in endpoints.all(account)}
    return by_url.get(name) or endpoints.get(account, name)


def _all(store: JobStore, account: str, wanted: DeliveryFilter) -> Iterator[DeliveryView]:
    cursor = None
    while True:
        found, cursor = store.deliveries(account, wanted, cursor=cursor, limit=PAGE)
        yield from found
        if cursor is None:
            return


def _filter(
    state: str | None,
    receiver: str | None,
    event_type: str | None,
    job_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> DeliveryFilter:
    try:
        url = receiver and str(TypeAdapter(HttpUrl).validate_python(receiver))
    except ValidationError as error:
        raise InvalidRequest(f"--receiver {receiver!r} is no URL.", field="receiver", value=receiver) from error
    return DeliveryFilter(DeliveryState(state) if state else None, url, job_id, event_type, since, until)


def _row(one: DeliveryView) -> tuple[str, ...]:
    last = one.attempts[-1] if one.attempts else None
    said = "" if last is None else last.error or f"HTTP {last.status}"
    return one.id, one.type, one.state, str(one.tries), str(last.duration_ms) if last else "", one.url, said
