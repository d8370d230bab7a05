"""A small server that speaks chat completions, as vLLM, llama.cpp or OpenAI do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def revised(question: dict[str, Any]) -> dict[str, Any]:
    """The answer of a model that says what it was asked, and more."""
    asked = question["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"{asked}, golden light"}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@dataclass
class ChatServer:
    """What it was asked, and what it answers: JSON, raw bytes, or an HTTP status."""

    url: str
    answer: Callable[[dict[str, Any]], Any] = revised
    questions: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: Answers wait until this is set.
    gate: threading.Event = field(default_factory=threading.Event)


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """One on a free port, ended with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.questions.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.gate.wait(30)
            answer = server.answer(body) if self.path == "/v1/chat/completions" else 404
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Somebody did not wait for the answer."""

    with Server(("127.0.0.1", 0), Handler) as listening:
        server = ChatServer(f"http://127.0.0.1:{listening.server_port}/v1")
        server.gate.set()
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.gate.set()
            listening.shutdown()
            thread.join()
