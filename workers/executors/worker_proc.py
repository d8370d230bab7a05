"""The life of a rank: load, say so, answer calls in order until the executor is gone. Needs no torch itself.

`rank_process`, `external_rank` and `ray_actor` run it, with a function that makes the worker of a place.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from workers.engine.config import OmniDiffusionConfig
from workers.executors.answering import Answers, answer, portable
from workers.executors.wire import READY, Reply, messages, packed


@dataclass(frozen=True)
class Place:
    """A rank's place in its group, as its executor tells it. `rendezvous` is torch's init method."""

    rank: int
    ranks: int
    local_rank: int
    rendezvous: str
    seed: int
    reply_seconds: float
    od_config: OmniDiffusionConfig
    search_path: tuple[str, ...]


def life(place: Place, make_worker: Callable[[Place], Answers], calls: Iterable[Any]) -> Iterator[Reply]:
    """What a rank says: that it is loaded, or why it is not and no more; then an answer to each call, in order."""
    try:
        worker = make_worker(place)
    except Exception as error:  # noqa: BLE001 - whatever a model does while it loads is its executor's to tell
        yield Reply(place.rank, READY, error=portable(error))
        return
    yield Reply(place.rank, READY)
    for call in calls:
        yield answer(worker, call, place.rank)


class WorkerProc:
    """One rank: its place, its worker, and its executor at the other end of `connection`."""

    def __init__(self, place: Place, connection: socket.socket, make_worker: Callable[[Place], Answers]) -> None:
        self._place = place
        self._connection = connection
        self._make_worker = make_worker

    def serve(self, calls: Iterable[Any]) -> None:
        """Load, say so, and answer calls in order until there are no more."""
        for reply in life(self._place, self._make_worker, calls):
            self._connection.sendall(packed(reply))

    @classmethod
    def worker_main(cls, descriptor: int, make_worker: Callable[[Place], Answers]) -> int:
        """The whole life of a rank that an executor started."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the executor decides when we end, not the terminal
        connection = socket.socket(fileno=descriptor)
        said = messages(connection)
        place = next(said, None)
        if place is None:
            return 0
        sys.path[:] = place.search_path  # classes of the operator's are found where the executor finds them
        calls: SimpleQueue[Any] = SimpleQueue()

        def read() -> None:
            for call in said:
                calls.put(call)
            os._exit(0)  # the executor is gone: end, even from within a collective

        threading.Thread(target=read, name="calls", daemon=True).start()
        cls(place, connection, make_worker).serve(iter(calls.get, None))
        threading.Event().wait()  # it did not load: what ends us is the executor, which knows by now
        return 1
