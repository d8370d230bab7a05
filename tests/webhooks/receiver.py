"""A webhook receiver as customers run one: real HTTP, the public `standardwebhooks` package, and any mood."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.servers.scripted import Answer, Request, scripted

WAIT_SECONDS = 15.0


@dataclass
class Receiver:
    """What came, and what is answered: `mood` gets the number of the request, from 1."""

    mood: Callable[[int], Answer]
    secret: str | None = None
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def place(self) -> str:
        return self.url.removeprefix("http://").partition("/")[0]

    def take(self, request: Request) -> Answer:
        body = Webhook(self.secret).verify(request.body, request.headers) if self.secret else {}
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
        answer = self.mood(number)
        with self.lock:
            self.bodies.append(body)
            self.times.append(time.monotonic())
            if 200 <= answer.status < 300:
                self.accepted[request.headers["webhook-id"]] = body
        return answer

    def events(self) -> list[tuple[int, str]]:
        """Sequence and type of what was accepted, in the job's order."""
        with self.lock:
            return sorted((body["data"]["sequence"], body["type"]) for body in self.accepted.values())

    def until(self, fact: Callable[[], Any]) -> None:
        ends = time.monotonic() + WAIT_SECONDS
        while not fact():
            assert time.monotonic() < ends, (self.events(), len(self.requests))
            time.sleep(0.01)


@contextmanager
def receiving(
    mood: Callable[[int], Answer] = lambda _: Answer(204), secret: str | None = None, port: int = 0
) -> Iterator[Receiver]:
    """A receiver on a port of loopback; 0: a free one."""
    receiver = Receiver(mood, secret)
    with scripted(receiver.take, port) as address:
        receiver.url = f"{address}/hook"
        yield receiver
