"""When a dead engine process is started again, and when not any more. Pure bookkeeping; the keeper thread asks.

A device that fails under one job may have met a bad job. A device that fails under ever different jobs, and
finishes none in between, is bad itself and takes no further job.
"""

from __future__ import annotations

from collections.abc import Iterable

#: First and longest pause before a dead engine process is started again.
BACKOFF_SECONDS = (0.2, 30.0)
#: An engine process that lived so long starts again without a pause.
STEADY_SECONDS = 60.0
#: Exit status of an engine process whose device can be used no more.
DEVICE_LOST = 4
#: So many faults of the device, with no job in common and no output in between, and it is out of service.
FAULTS = 3
OUT_OF_SERVICE = "The device failed under different jobs and finished none; it is out of service until a restart."


class Respawning:
    """The deaths of one worker's engine processes."""

    def __init__(self, backoff_seconds: tuple[float, float]) -> None:
        self._first, self._longest = backoff_seconds
        self._next = self._first
        self._faults: list[frozenset[str]] = []

    def served(self) -> None:
        """A request was finished: device and model work, and the next start need not wait."""
        self._faults.clear()
        self._next = self._first

    def died(self, status: int, batch: Iterable[str]) -> None:
        """An engine process ended with this status, and these requests in its batch."""
        if status == DEVICE_LOST:
            self._faults.append(frozenset(request_id.partition(".")[0] for request_id in batch))

    @property
    def is_hopeless(self) -> bool:
        """Whether the device is to be left alone."""
        latest = self._faults[-FAULTS:]
        return len(latest) == FAULTS and not frozenset.intersection(*latest)

    def pause(self, lived_seconds: float) -> float:
        """Seconds before the next start; twice as long each time while they die young and finish nothing."""
        pause = self._first if lived_seconds > STEADY_SECONDS else self._next
        self._next = min(pause * 2, self._longest)
        return pause
