"""An HTTP server that answers by script, for what healthy servers never say: 501, 503, half a body, silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gets. `announced_bytes` other than the body's length cuts the connection short of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced_bytes: int | None = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    #: With the five of the class, one of many that connect at once waits for a second.
    request_queue_size = 128


@contextmanager
def scripted(answer: Callable[[Request], Answer], port: int = 0) -> Iterator[str]:
    """The address of a server that runs `answer` for every request, in a thread of its own; port 0: a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                self._handle()
            except ConnectionError:
                self.close_connection = True  # the client was killed, which some tests do

        def _handle(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            announced = int(headers.get("content-length", 0))
            body = self.rfile.read(announced)
            if len(body) < announced:
                self.close_connection = True  # the client was killed in the middle of it
                return
            self._send(answer(Request(self.command, self.path, headers, body)))

        def _send(self, said: Answer) -> None:
            self.send_response(said.status)
            announced = len(said.body) if said.announced_bytes is None else said.announced_bytes
            for name, value in {"Content-Length": str(announced), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)
            self.wfile.flush()
            self.close_connection = announced != len(said.body)

        def log_message(self, format: str, *args: object) -> None:
            """Stays silent: the requests are what tests look at."""

    with _Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
