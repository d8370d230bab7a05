"""The batcher: our policy that chooses which parked calls share the next forward.

Pure standard library, no clock and no device of its own: tested with thousands of random arrivals. The engine
gives it calls and asks for batches.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from workers.engine.calls import CallInfo, Lane

#: How many calls of one key may share a forward.
Cap = Callable[[Hashable], int]


#: Which lane goes first when nobody waits for a single result.
OFFLINE_ORDER = (Lane.ENCODE, Lane.DENOISE, Lane.DECODE)


def fixed(size: int) -> Cap:
    """The same cap for every key."""
    return lambda _key: size


@dataclass(slots=True)
class Ready:
    """A parked call in the batcher: `since` is the number of batches planned before it came."""

    call: CallInfo
    priority: int
    deadline: float
    since: int


@dataclass(slots=True)
class Group:
    """The ready calls of one batch key."""

    lane: Lane
    members: dict[int, Ready] = field(default_factory=dict)


class Batcher:
    """Ready calls by batch key, and the choice of the next batch.

    An incompatible neighbour never blocks anybody: groups are compared by their most urgent member. A call that
    has waited for (groups x cap) batches is overdue and goes before any priority. While denoise work is ready, at
    most one batch of another lane runs between two denoise batches. `offline` is for work that all lies ready and
    nobody watches: every encode first, every decode last, so that the denoise batches are as large as can be.
    """

    def __init__(self, cap: Cap, offline: bool = False) -> None:
        self._cap = cap
        self._offline = offline
        self._limits: dict[Hashable, int] = {}
        self._groups: dict[Hashable, Group] = {}
        self._keys: dict[int, Hashable] = {}
        self._planned = 0
        self._last_lane = Lane.DENOISE

    def __len__(self) -> int:
        return len(self._keys)

    def is_ready(self, lane: Lane) -> bool:
        """Whether any call of this lane waits."""
        return any(group.lane is lane for group in self._groups.values())

    def add(self, call: CallInfo, priority: int = 5, deadline: float | None = None) -> None:
        """Take a call that is ready. `deadline` is its request's, on the engine's clock."""
        due = float("inf") if deadline is None else deadline
        group = self._groups.setdefault(call.batch_key, Group(call.lane))
        group.members[call.call_id] = Ready(call, priority, due, self._planned)
        self._keys[call.call_id] = call.batch_key

    def remove(self, call_ids: Iterable[int]) -> None:
        """Forget calls; unknown ids are ignored."""
        for call_id in call_ids:
            key = self._keys.pop(call_id, None)
            if key is None:
                continue
            group = self._groups[key]
            del group.members[call_id]
            if not group.members:
                del self._groups[key]

    def cap(self, key: Hashable) -> int:
        """The greatest batch of this key now: the policy's cap, or less after an out-of-memory."""
        return max(1, min(self._cap(key), self._limits.get(key, 1 << 30)))

    def shrink(self, key: Hashable, failed_size: int) -> None:
        """A batch of `failed_size` did not fit: remember half of it as this key's limit."""
        self._limits[key] = max(1, min(failed_size // 2, self._limits.get(key, failed_size)))

    def next_batch(self) -> list[CallInfo]:
        """The calls of the next forward, most urgent first, removed from the ready set. Empty when none is."""
        groups = self._eligible()
        if not groups:
            return []
        patience = self._patience()
        key = min(groups, key=lambda item: min(self._urgency(r, patience) for r in groups[item].members.values()))
        chosen = sorted(groups[key].members.values(), key=lambda ready: self._urgency(ready, patience))
        batch = [ready.call for ready in chosen[: self.cap(key)]]
        self._last_lane = groups[key].lane
        self._planned += 1
        self.remove(call.call_id for call in batch)
        return batch

    def _eligible(self) -> dict[Hashable, Group]:
        if self._offline:
            lane = min(
                (group.lane for group in self._groups.values()), key=OFFLINE_ORDER.index, default=Lane.ENCODE
            )
            return {key: group for key, group in self._groups.items() if group.lane is lane}
        denoise = {key: group for key, group in self._groups.items() if group.lane is Lane.DENOISE}
        others = {key: group for key, group in self._groups.items() if group.lane is not Lane.DENOISE}
        if denoise and others:
            return denoise if self._last_lane is not Lane.DENOISE else others
        return denoise or others

    def _patience(self) -> int:
        return len(self._groups) * max(self.cap(key) for key in self._groups)

    def _urgency(self, ready: Ready, patience: int) -> tuple[bool, int, float, int, int]:
        overdue = self._planned - ready.since >= patience
        return (not overdue, 0 if overdue else -ready.priority, ready.deadline, ready.since, ready.call.call_id)
