"""How far a run is: counts, speed and what is left. The clock is given; the numbers are its caller's to show."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from omni_jobs.bulk.results import Outcome, Result

#: The speed is that of the last so many seconds.
SPEED_SECONDS = 60


class Tally:
    """Counts of one run, for any thread. `total` are the manifest's lines, None until they are counted."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.total: int | None = None
        #: Lines of this run, and those that an earlier one had ended, by outcome.
        self.ended: Counter[Outcome] = Counter()
        self.before: Counter[Outcome] = Counter()
        self.outputs = 0
        self.size_bytes = 0
        self.device_seconds = 0.0
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        #: Lines and outputs by the second in which they ended.
        self._recent: dict[int, tuple[int, int]] = {}

    def add(self, result: Result) -> None:
        """A line ended in this run."""
        with self._lock:
            self.ended[result.status] += 1
            self.outputs += len(result.outputs)
            self.size_bytes += sum(output.size_bytes for output in result.outputs)
            self.device_seconds += result.device_seconds
            if result.status in (Outcome.SUCCEEDED, Outcome.FAILED):
                self._note(int(self._clock() - self._began), len(result.outputs))

    def _note(self, second: int, outputs: int) -> None:
        lines, made = self._recent.get(second, (0, 0))
        self._recent[second] = (lines + 1, made + outputs)
        for old in [one for one in self._recent if one < second - SPEED_SECONDS]:
            del self._recent[old]

    def skip(self, result: Result) -> None:
        """A line had ended before."""
        with self._lock:
            self.before[result.status] += 1

    def of(self, outcome: Outcome) -> int:
        """Lines with this outcome, of this run and before."""
        return self.ended[outcome] + self.before[outcome]

    @property
    def left(self) -> int | None:
        """Lines without an end."""
        return None if self.total is None else max(0, self.total - self.ended.total() - self.before.total())

    @property
    def outputs_per_second(self) -> float:
        """Speed of late; 0 before anything came."""
        return self._speed()[1]

    @property
    def eta_seconds(self) -> float | None:
        """Time until nothing is left, at the speed of late."""
        lines = self._speed()[0]
        return None if self.left is None or not lines else self.left / lines

    def _speed(self) -> tuple[float, float]:
        """Lines and outputs per second."""
        with self._lock:
            recent = dict(self._recent)
        if not recent:
            return 0.0, 0.0
        span = max(self._clock() - self._began - min(recent), 1.0)
        return sum(lines for lines, _ in recent.values()) / span, sum(made for _, made in recent.values()) / span

    def to_json(self) -> dict[str, Any]:
        """Everything, as `bulk status` shows it."""
        return {
            "total": self.total,
            **{str(outcome): self.of(outcome) for outcome in Outcome},
            "before": self.before.total(),
            "left": self.left,
            "outputs": self.outputs,
            "size_bytes": self.size_bytes,
            "outputs_per_second": round(self.outputs_per_second, 3),
            "eta_seconds": None if self.eta_seconds is None else round(self.eta_seconds, 1),
            "device_seconds": round(self.device_seconds, 3),
            "seconds": round(self._clock() - self._began, 1),
        }
