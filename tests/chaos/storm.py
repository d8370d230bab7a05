"""Draws faults from a seed and sees that each ends: a few at a time, for as long as it is told."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

import redis.exceptions
import structlog

from omni_jobs.errors import OmniJobsError
from tests.chaos.faults import FAULTS, Struck, draw
from tests.chaos.fleet import Fleet
from tests.chaos.history import History

log = structlog.get_logger(__name__)
#: Mean time in seconds between two faults, and how many are active at most.
PAUSE_SECONDS = 0.6
AT_ONCE = 4


class Storm:
    """`blow` runs in the main thread. `counts` says how often each fault struck; unsprung traps are left out."""

    def __init__(self, fleet: Fleet, history: History, seed: int, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._fleet = fleet
        self._history = history
        self._random = Random(seed)
        self._pause_seconds = pause_seconds
        self._active: list[tuple[float, int, str, Struck]] = []
        self._number = 0
        self.counts: Counter[str] = Counter()

    def blow(self, seconds: float) -> None:
        """Strike until the time is over; then everything is healed."""
        ends = time.monotonic() + seconds
        next_at = time.monotonic()
        while time.monotonic() < ends:
            self._heal_due(time.monotonic())
            if time.monotonic() >= next_at and len(self._active) < AT_ONCE:
                self._strike()
                next_at = time.monotonic() + self._random.expovariate(1 / self._pause_seconds)
            time.sleep(0.02)
        self._heal_due(float("inf"))
        self._fleet.heal()

    def _strike(self) -> None:
        is_touched = any(FAULTS[name].touches_redis for _, _, name, _ in self._active)
        name = draw(self._random, may_touch_redis=not is_touched)
        try:
            struck = FAULTS[name].strike(self._fleet, self._random)
        except (OmniJobsError, redis.exceptions.RedisError, OSError) as error:
            log.warning("fault could not strike", fault=name, error=str(error))
            return
        if struck is None:
            return
        self._number += 1
        self._history.add("fault", number=self._number, name=name, target=struck.target)
        self._active.append((time.monotonic() + struck.seconds, self._number, name, struck))

    def _heal_due(self, now: float) -> None:
        for entry in sorted(self._active):
            ends, number, name, struck = entry
            if ends > now and not (struck.trap and struck.is_real):
                continue
            self._active.remove(entry)
            struck.undo()
            self.counts[name] += struck.is_real
            self._history.add("healed", number=number)
