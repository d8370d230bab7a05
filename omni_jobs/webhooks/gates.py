"""One gate per receiver, so that a slow or broken one delays nobody else: few at a time, a pause after trouble.

In the courier's memory; a courier that starts anew learns it again with one try.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from omni_jobs.webhooks.schedule import Answer

#: First and longest pause of a receiver in trouble; each further trouble doubles it.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
#: Receivers remembered; the least recently used is forgotten.
MAX_GATES = 10_000


@dataclass(slots=True)
class Gate:
    """One receiver: how many are on their way, how often in a row it was in trouble, and until when it rests."""

    in_flight: int = 0
    troubles: int = 0
    opens_at: float = 0.0
    #: How long the last one took, and when the next of those that wait has its turn.
    seconds: float = FIRST_PAUSE_SECONDS
    next_turn: float = 0.0


class Gates:
    """Not for threads: the courier's loop alone uses it."""

    def __init__(
        self, limit: int, *, longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._limit = limit
        self._longest = longest_pause_seconds
        self._clock = clock
        self._gates: OrderedDict[Hashable, Gate] = OrderedDict()

    def enter(self, key: Hashable) -> float:
        """0 if a delivery may go now (then `leave` must follow), else the seconds until it should ask again."""
        gate = self._gates.setdefault(key, Gate())
        self._gates.move_to_end(key)
        now = self._clock()
        if gate.opens_at > now:
            return gate.opens_at - now
        # After trouble one goes first; the others wait for what it meets.
        limit = 1 if gate.troubles else self._limit
        if gate.in_flight >= limit:
            # At the receiver's own pace: thousands that ask again and again would hold up the courier.
            turn = max(gate.next_turn, now) + gate.seconds / limit
            gate.next_turn = min(turn, now + self._longest)
            return max(gate.next_turn - now, FIRST_PAUSE_SECONDS / 4)
        gate.in_flight += 1
        self._forget()
        return 0.0

    def withdraw(self, key: Hashable) -> None:
        """A delivery that was let in does not go."""
        self._gates[key].in_flight -= 1

    def leave(self, key: Hashable, answer: Answer, seconds: float = FIRST_PAUSE_SECONDS) -> None:
        """A delivery came back after so long."""
        gate = self._gates[key]
        gate.in_flight -= 1
        gate.seconds = seconds
        if not answer.is_trouble:
            gate.troubles, gate.opens_at = 0, 0.0
            return
        if gate.opens_at > self._clock():
            return  # several were on their way when the trouble began
        gate.troubles += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(gate.troubles - 1, 20), self._longest)
        asked = min(answer.retry_after_seconds or 0.0, self._longest)
        gate.opens_at = self._clock() + max(pause, asked)

    def _forget(self) -> None:
        while len(self._gates) > MAX_GATES:
            key, gate = next(iter(self._gates.items()))
            if gate.in_flight:
                return
            del self._gates[key]
