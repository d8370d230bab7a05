"""Whether Redis has room for more jobs: asked before each submit, so that the moves of those inside still fit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from omni_jobs.errors import QueueFull
from omni_jobs.store.core import StoreCore

#: Above this share of its memory Redis gets no new jobs. The rest is for ending those it has.
FULL_SHARE = 0.85
#: How long one look holds good: `INFO` costs more than a submit.
LOOK_SECONDS = 1.0


class Pressure(StoreCore):
    """Looks now and then. Several threads may look at once; each writes a whole new answer."""

    _looked: tuple[float, float] = (-LOOK_SECONDS, 0.0)

    def check_memory(self) -> None:
        """Refuses new work while Redis is nearly full. Raises QueueFull, QueueUnavailable."""
        at, share = self._looked
        if time.monotonic() - at >= LOOK_SECONDS:
            (facts,) = self._ask(("INFO", "memory"))
            share = memory_share(facts)
            self._looked = (time.monotonic(), share)
        if share > FULL_SHARE:
            raise QueueFull(
                f"Redis uses {share:.0%} of its memory.",
                remedy="Try again later; the operator can give it more, or shorten `ttl_seconds` of jobs.",
            )


def memory_share(facts: Mapping[str, Any]) -> float:
    """The part in use of what the server may take: `maxmemory`, or else the machine's."""
    most = int(facts.get("maxmemory") or 0) or int(facts.get("total_system_memory") or 0)
    return int(facts.get("used_memory", 0)) / most if most else 0.0
