"""Who shared the latest batches of an engine, how long one takes, how full the device is: for those who look on.

The engine process's parent feeds it from the flight record; housekeeping publishes what it tells with each beat.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

#: Batches remembered.
BATCHES = 32
Memory = Mapping[str, int]


class RecentBatches:
    """The latest batches, and the device's memory as it was last told. Safe for threads."""

    def __init__(self, kept: int = BATCHES) -> None:
        #: The requests in the batch that runs, if one does.
        self.executing: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._batches: deque[tuple[str, ...]] = deque(maxlen=kept)
        self._seconds: deque[float] = deque(maxlen=kept)
        self._began: float | None = None
        self._memory: Memory | None = None

    def begin(self, request_ids: Sequence[str], now: float, memory: Memory | None = None) -> None:
        """A batch is about to run, `now` in seconds of a monotonic clock; with no requests, nothing is."""
        with self._lock:
            self.executing, self._memory = tuple(request_ids), memory or self._memory
            if not request_ids:
                return
            if self._began is not None:
                self._seconds.append(now - self._began)
            self._batches.append(self.executing)
            self._began = now

    def rest(self, memory: Memory | None = None) -> None:
        """The engine has nothing to do, so that the time until the next batch is nobody's."""
        with self._lock:
            self._began, self.executing, self._memory = None, (), memory or self._memory

    def to_json(self) -> dict[str, Any]:
        """`requests` in order of appearance, each batch as places in it, the median milliseconds of one batch.

        `memory` has `used_bytes` and `total_bytes` of the GPUs; it is left out where there are none.
        """
        with self._lock:
            batches, seconds, is_running = list(self._batches), list(self._seconds), self._began is not None
            memory = self._memory
        requests = list(dict.fromkeys(one for batch in batches for one in batch))
        place = {one: at for at, one in enumerate(requests)}
        return {
            "requests": requests,
            "batches": [[place[one] for one in batch] for batch in batches],
            "ms_per_batch": round(statistics.median(seconds) * 1000, 2) if seconds else None,
            "is_running": is_running,
        } | ({"memory": memory} if memory else {})
