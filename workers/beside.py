"""Work that neither device nor slot waits for: a few daemon threads and a queue. It stores checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

log = structlog.get_logger(__name__)


class Beside:
    """Does what it is given, in order, on at most so many threads; they end with the process."""

    def __init__(self, name: str, threads: int) -> None:
        self._acts: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._changed = threading.Condition()
        self._undone = 0
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def do(self, act: Callable[[], None]) -> None:
        """Do this when a thread is free."""
        with self._changed:
            self._undone += 1
        self._acts.put(act)

    def close(self, seconds: float) -> None:
        """Wait, at most so long, until all is done."""
        with self._changed:
            self._changed.wait_for(lambda: not self._undone, seconds)

    def _work(self) -> None:
        while True:
            act = self._acts.get()
            try:
                act()
            except Exception:
                log.exception("something beside the jobs went wrong")
            finally:
                with self._changed:
                    self._undone -= 1
                    self._changed.notify_all()
