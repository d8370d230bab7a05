"""Who may look for work: counts the slots and decides what each may claim. Pure bookkeeping, no Redis.

A doorbell means "make sure somebody is looking". One that comes while every slot is busy returns at once; one that
comes while a slot finds nothing makes that slot look again, so that no doorbell is lost.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from omni_jobs.store import Claim

#: Jobs of this priority and above may use the reserved slots.
RESERVED_PRIORITY = 8


@dataclass(frozen=True)
class Room:
    """What a slot may claim: jobs of at least this priority; `alone` also suspects; with `company` only those."""

    min_priority: int
    alone: bool
    shapes: tuple[str, ...]
    company: str | None = None


class Slots:
    """The slots of one worker. While a suspect runs here, only its company is claimed."""

    def __init__(self, total: int, reserved: int) -> None:
        self.total = total
        self._reserved = min(reserved, total - 1)
        self._lock = threading.Lock()
        self._claiming = threading.Lock()
        self._looking = 0
        self._rings = 0
        self._shapes: Counter[str] = Counter()
        self._company: str | None = None
        self._wants_empty = False
        self._others_first = False
        self._is_closed = False
        self._is_held = False

    @property
    def busy(self) -> int:
        """Jobs held now."""
        return self._shapes.total()

    @property
    def free(self) -> int:
        """Slots that could claim an ordinary job now."""
        if self._is_closed or self._is_held or self._company is not None:
            return 0
        return max(0, self.total - self._reserved - self.busy)

    def close(self) -> None:
        """Claim nothing any more."""
        self._is_closed = True

    def hold(self, is_held: bool) -> None:
        """Claim nothing for now; or go on."""
        self._is_held = is_held

    def make_room_for_suspects(self, are_waiting: bool) -> None:
        """While suspects wait, claim nothing else until this worker is empty."""
        self._wants_empty = are_waiting

    def enter(self) -> bool:
        """A doorbell came. True: this caller took a slot and looks; False: others see to it."""
        with self._lock:
            self._rings += 1
            if self._looking >= self.total or self._is_closed:
                return False
            self._looking += 1
            return True

    def leave(self, rings_seen: int) -> bool:
        """Nothing was found. True: the slot is free again; False: somebody rang meanwhile, look again."""
        with self._lock:
            if self._rings != rings_seen and not self._is_closed:
                return False
            self._looking -= 1
            return True

    def abandon(self) -> None:
        """The slot's look went wrong; it is free again."""
        with self._lock:
            self._looking -= 1

    @property
    def rings(self) -> int:
        """Doorbells so far; read before looking, given to `leave`."""
        return self._rings

    def claim(self, take: Callable[[Room], Claim | None]) -> Claim | None:
        """Claim through `take`, one slot at a time, if there is room."""
        with self._claiming:
            room = self._room()
            claim = None
            if room is not None and room.alone and self._others_first:
                claim = take(replace(room, alone=False))
            if room is not None and claim is None:
                claim = take(room)
            if claim is not None:
                self._shapes[claim.shape] += 1
                self._company = claim.company
                self._wants_empty = self._others_first = False
            return claim

    def join(self, take: Callable[[Room], Claim | None]) -> Claim | None:
        """Claim one more of the company that runs here, if there is room."""
        with self._claiming:
            if self._company is None or self._is_closed or self.busy >= self.total:
                return None
            claim = take(Room(0, alone=True, shapes=(), company=self._company))
            if claim is not None:
                self._shapes[claim.shape] += 1
            return claim

    def done(self, claim: Claim) -> bool:
        """A claimed job ended here. True if it was the last of a company: others should be rung for."""
        with self._claiming:
            self._shapes[claim.shape] -= 1
            self._shapes = +self._shapes  # without zeros
            if self._company is None or self.busy:
                return False
            self._company = None
            # If suspects brought the device down again, others show whether it is the device that is bad.
            self._others_first = True
            return True

    def _room(self) -> Room | None:
        busy = self.busy
        if self._is_closed or self._is_held or self._company is not None:
            return None
        if busy >= self.total or (self._wants_empty and busy):
            return None
        ordinary = busy < self.total - self._reserved
        return Room(0 if ordinary else RESERVED_PRIORITY, busy == 0, tuple(self._shapes))
