"""What checkpoints came to in one worker: written, what they cost, taken up or refused. Each beat publishes it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

#: A word for each kind of refusal, by what its sentence holds; any other is a run that took another way.
WORDS = {
    "the engine process died": "suspected",
    "it cannot be read": "unreadable",
    "its digest": "altered",
    "its checksum": "altered",
    "its format": "altered",
    "no checkpoint": "altered",
    " differs": "differs",
    "spans several devices": "unsupported",
    "caches between its calls": "unsupported",
    "its step cache": "unsupported",
}
OTHER = "diverged"


def word_of(reason: str) -> str:
    """One of a few words for why a checkpoint was refused."""
    return next((word for part, word in WORDS.items() if part in reason), OTHER)


class CheckpointTally:
    """Counts since the worker began. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._seconds = 0.0

    def taken(self, device_seconds: float) -> None:
        """The device was held up for so long to save a request."""
        with self._lock:
            self._seconds += device_seconds

    def stored(self, size_bytes: int) -> None:
        """Storage has one, and its job's record names it."""
        with self._lock:
            self._counts.update(written=1, bytes=size_bytes)

    def dropped(self) -> None:
        """One could not be stored."""
        with self._lock:
            self._counts["dropped"] += 1

    def resumed(self, refused: str | None) -> None:
        """An output went on from one, or began again for a reason."""
        with self._lock:
            if refused is None:
                self._counts["resumed"] += 1
            else:
                self._refused[word_of(refused)] += 1

    def to_json(self) -> dict[str, Any]:
        """`refused` counts by word; `seconds` are those that the device waited."""
        names = ("written", "bytes", "dropped", "resumed")
        with self._lock:
            counts = {name: self._counts[name] for name in names}
            return {**counts, "seconds": round(self._seconds, 3), "refused": dict(self._refused)}
