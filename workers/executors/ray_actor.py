"""A rank's own side when Ray started it: the same life as any rank's, with Ray to carry the messages.

`RayDiffusionExecutor` makes one actor of this class per rank. Two threads: one lives, one takes calls in.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from omni_jobs.redis_server import free_port
from workers.engine.executor import resolve_obj_by_qualname
from workers.executors.wire import packed, unpacked
from workers.executors.worker_proc import Place, life


@dataclass(frozen=True)
class Whereabouts:
    """Where an actor runs, and a port that was free there when it was asked."""

    process: int
    host: str
    port: int


class RayActor:
    """`make_worker` is the qualified name of a function from a Place to the rank's worker."""

    def __init__(self, make_worker: str) -> None:
        self._make_worker = make_worker
        self._told: SimpleQueue[Any] = SimpleQueue()

    def whereabouts(self) -> Whereabouts:
        """Asked before anything else, so that the ranks can be told where they meet."""
        import ray

        return Whereabouts(os.getpid(), ray.util.get_node_ip_address(), free_port())

    def tell(self, data: bytes) -> None:
        """Take a packed message: this rank's place first, then calls."""
        self._told.put(unpacked(data))

    def live(self) -> Iterator[bytes]:
        """Packed replies, for as long as the actor lives."""
        place: Place = self._told.get()
        # Of the executor's machine: here only what is missing counts.
        sys.path += [entry for entry in place.search_path if entry not in sys.path]
        for reply in life(place, resolve_obj_by_qualname(self._make_worker), iter(self._told.get, None)):
            yield packed(reply)
        threading.Event().wait()  # it did not load: what ends us is the executor, which knows by now
