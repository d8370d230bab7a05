"""`python -m omni_jobs.api`: serves the API with uvicorn until it is told to stop. Its address goes to stdout."""

from __future__ import annotations

import socket
import sys
import threading
from types import FrameType

import click
import uvicorn

from omni_jobs.api.app import create_app
from omni_jobs.api.edge import Traffic
from omni_jobs.errors import Misconfigured, OmniJobsError, Unavailable
from omni_jobs.lifeline import end_with_input
from omni_jobs.logs import configure_logs
from omni_jobs.settings import Settings, load_settings
from omni_jobs.store import connect

#: Exit statuses, as of the command line: 78 wrong configuration, 69 a service does not answer.
EXIT_MISCONFIGURED, EXIT_UNAVAILABLE = 78, 69
#: Open streams are closed after so long when the process is told to stop.
SHUTDOWN_SECONDS = 3
#: Connections that may wait to be accepted.
BACKLOG = 1024


@click.command(help="Serve the HTTP API.")
@click.option("--host", help="Address to listen on; any but loopback needs a key. Default: OMNI_API_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one. Default: OMNI_API_PORT.")
@click.option("--end-with-input", "ends_with_input", is_flag=True, help="Stop when standard input closes.")
def main(host: str | None, port: int | None, ends_with_input: bool) -> None:
    """Entry point of the API process."""
    if ends_with_input:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    try:
        given = {"api_host": host, "api_port": port}
        settings = load_settings({name: value for name, value in given.items() if value is not None})
        configure_logs(settings.log_format, settings.log_level)
        serve(settings)
    except OmniJobsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_MISCONFIGURED)


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises Misconfigured or Unavailable."""
    traffic = Traffic()
    app = create_app(settings, traffic)
    connect(settings).close()  # what does not answer is said in a line, where uvicorn would print a traceback
    listener = listen(settings.api_host, settings.api_port)
    host, port = listener.getsockname()[:2]
    click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=30,
        server_header=False,
    )
    with listener:
        try:
            Server(config, traffic).run(sockets=[listener])
        except SystemExit as end:
            raise getattr(app.state, "refused", end) from None


class Server(uvicorn.Server):
    """Tells open streams to end before uvicorn begins to wait for them."""

    def __init__(self, config: uvicorn.Config, traffic: Traffic) -> None:
        super().__init__(config)
        self._traffic = traffic

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._traffic.is_closing = True
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once.

    asyncio turns Nagle's algorithm off only for sockets that name their protocol, which those of
    `socket.create_server` do not: every answer then took 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"{host}:{port} cannot be listened on: {error.strerror}.", field="api_port", remedy="Choose another."
        ) from error
    listener.listen(BACKLOG)
    return listener


if __name__ == "__main__":
    main()
