"""Webhooks from the command line: what a receiver's author needs (`secret`, `verify`, `listen`), beside what an
operator needs (`cli/deliveries.py`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, BinaryIO

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.deliveries import log, replay, test
from omni_jobs.errors import Forbidden
from omni_jobs.signing_secret import webhook_secret
from omni_jobs.webhooks import verify

#: A message holds one job; whatever is larger is none of ours.
LARGEST_BODY_BYTES = 2**20

secret_option = click.option("--secret", help="Of the URL, if it has one of its own; default: the service's.")


@click.group()
def webhooks() -> None:
    """Receive, check, look up and send again what the service tells by webhook."""


for one in (log, replay, test):
    webhooks.add_command(one)


@webhooks.command("secret")
@command
def print_secret(cli: Cli) -> None:
    """The service's secret, as receivers configure it."""
    click.echo(webhook_secret(cli.settings()))


@webhooks.command("verify")
@click.argument("body", type=click.File("rb"), default="-")
@click.option("--id", "message_id", required=True, help="The header `webhook-id`.")
@click.option("--timestamp", required=True, help="The header `webhook-timestamp`.")
@click.option("--signature", required=True, help="The header `webhook-signature`.")
@click.option("--any-age", is_flag=True, help="Take an old message as well, such as one from a log.")
@secret_option
@command
def verify_message(
    cli: Cli, body: BinaryIO, message_id: str, timestamp: str, signature: str, any_age: bool, secret: str | None
) -> None:
    """Check a message whose body is in a file or on standard input, and print it."""
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    now = float(timestamp) if any_age and timestamp.isdigit() else None
    show.print_json(verify(body.read(), headers, secret or webhook_secret(cli.settings()), now=now))


@webhooks.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0: a free one.")
@click.option("--count", type=click.IntRange(1), help="End after so many genuine messages.")
@secret_option
@command
def listen(cli: Cli, port: int, count: int | None, secret: str | None) -> None:
    """Receive on loopback, check and print what comes. The service sends there if OMNI_WEBHOOK_ALLOW says so."""
    left = [count]

    def told(message: dict[str, Any]) -> None:
        job = message["data"].get("job_id", "")
        click.echo(json.dumps(message) if cli.as_json else f"{message['timestamp']} {message['type']} {job}")
        left[0] = None if left[0] is None else left[0] - 1

    key = secret or webhook_secret(cli.settings())
    with HTTPServer(("127.0.0.1", port), receiver(key, told)) as server:
        click.echo(f"listening on http://127.0.0.1:{server.server_port}/", err=True)
        while left[0] != 0:
            server.handle_request()


def receiver(secret: str, told: Callable[[dict[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    """A handler that answers 204 to genuine messages, tells of them, and refuses all else."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            if length > LARGEST_BODY_BYTES:
                self.send_error(413)
                return
            status, message = judged(self.rfile.read(length), dict(self.headers), secret)
            self.send_response(status)
            self.end_headers()
            if message is not None:
                told(message)

        def log_message(self, *_: Any) -> None:
            """Nothing: messages are what is printed."""

    return Receiver


def judged(body: bytes, headers: Mapping[str, str], secret: str) -> tuple[int, dict[str, Any] | None]:
    """The answer to a message, and the message if it is genuine."""
    try:
        return 204, verify(body, headers, secret)
    except Forbidden as error:
        click.echo(f"refused: {error}", err=True)
        return 401, None
