"""The demo's own back end: receives webhooks over HTTP, believes only those whose signature is right."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from omni_jobs.errors import Forbidden
from omni_jobs.schemas import TERMINAL_EVENTS
from omni_jobs.webhooks import verify


class Receiver:
    """What came. A message that comes twice has the same id and counts once."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.messages: dict[str, dict[str, Any]] = {}
        self.refused = 0
        self._changed = threading.Condition()

    @property
    def ended_jobs(self) -> set[str]:
        """Jobs whose end was told."""
        ends = set(TERMINAL_EVENTS.values())
        return {body["data"]["job_id"] for body in self.messages.values() if body["type"] in ends}

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Judge one message; returns the HTTP status to answer with."""
        try:
            message = verify(body, headers, self.secret)
        except Forbidden:
            with self._changed:
                self.refused += 1
            return 401
        with self._changed:
            self.messages[headers["webhook-id"]] = message
            self._changed.notify_all()
        return 204

    def wait_for(self, jobs: Iterable[str], timeout_seconds: float) -> bool:
        """Whether the end of all these jobs has been told in time."""
        wanted = set(jobs)
        with self._changed:
            return self._changed.wait_for(lambda: wanted <= self.ended_jobs, timeout_seconds)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(receiver.take(body, {name.lower(): value for name, value in self.headers.items()}))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the progress bars own the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/webhook"
        thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
