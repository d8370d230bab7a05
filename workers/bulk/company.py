"""Who may run beside whom when the engine process dies: only the line that kills it is to fail. Pure bookkeeping.

A line that was in the batch when the process died is a suspect after so many deaths and runs alone from then on;
one that kills it alone is poison. Everybody else begins again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

#: As for jobs of a service: after so many deaths a line runs alone.
ALONE_AFTER_CRASHES = 2

Member = TypeVar("Member", bound=Hashable)


@dataclass
class Company(Generic[Member]):
    """Members that wait and those that run. Not for threads: its owner has a lock."""

    waiting: deque[Member] = field(default_factory=deque)
    suspects: deque[Member] = field(default_factory=deque)
    running: list[Member] = field(default_factory=list)
    _crashes: Counter[Member] = field(default_factory=Counter)
    _is_exclusive: bool = False

    def add(self, member: Member) -> None:
        """A new member waits."""
        self.waiting.append(member)

    def next(self) -> list[Member]:
        """Those that may begin now; they run from here on."""
        if self._is_exclusive or (self.suspects and self.running):
            return []
        if self.suspects:
            self._is_exclusive = True
            begun = [self.suspects.popleft()]
        else:
            begun = list(self.waiting)
            self.waiting.clear()
        self.running += begun
        return begun

    def ended(self, member: Member) -> None:
        """It runs no more."""
        self._leave(member)
        self._crashes.pop(member, None)

    def returned(self, member: Member) -> None:
        """It did not get to run, or the process died beside it: it waits again, before those that never ran."""
        was_alone = self._is_exclusive
        self._leave(member)
        (self.suspects if was_alone else self.waiting).appendleft(member)

    def crashed(self, member: Member) -> bool:
        """The process died with it in the batch. True if it was alone, and therefore is the cause."""
        was_alone = self._is_exclusive
        self._leave(member)
        self._crashes[member] += 1
        if was_alone:
            return True
        is_suspect = self._crashes[member] >= ALONE_AFTER_CRASHES
        (self.suspects if is_suspect else self.waiting).append(member)
        return False

    def _leave(self, member: Member) -> None:
        self.running = [one for one in self.running if one is not member]
        self._is_exclusive = False
