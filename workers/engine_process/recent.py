"""Who shared the latest batches of an engine, and how long a batch takes: for whoever watches the pool.

The engine process's parent feeds it from the flight record; housekeeping publishes what it tells with each beat.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

#: Batches remembered.
BATCHES = 32


class RecentBatches:
    """The latest batches. Safe for threads."""

    def __init__(self, kept: int = BATCHES) -> None:
        #: The requests in the batch that runs, if one does.
        self.executing: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._batches: deque[tuple[str, ...]] = deque(maxlen=kept)
        self._seconds: deque[float] = deque(maxlen=kept)
        self._began: float | None = None

    def begin(self, request_ids: Sequence[str], now: float) -> None:
        """A batch is about to run, `now` in seconds of a monotonic clock; with no requests, nothing is."""
        with self._lock:
            self.executing = tuple(request_ids)
            if not request_ids:
                return
            if self._began is not None:
                self._seconds.append(now - self._began)
            self._batches.append(self.executing)
            self._began = now

    def rest(self) -> None:
        """The engine has nothing to do, so that the time until the next batch is nobody's."""
        with self._lock:
            self._began, self.executing = None, ()

    def to_json(self) -> dict[str, Any]:
        """`requests` in order of appearance, each batch as places in it, the median milliseconds of one batch."""
        with self._lock:
            batches, seconds, is_running = list(self._batches), list(self._seconds), self._began is not None
        requests = list(dict.fromkeys(one for batch in batches for one in batch))
        place = {one: at for at, one in enumerate(requests)}
        return {
            "requests": requests,
            "batches": [[place[one] for one in batch] for batch in batches],
            "ms_per_batch": round(statistics.median(seconds) * 1000, 2) if seconds else None,
            "is_running": is_running,
        }
