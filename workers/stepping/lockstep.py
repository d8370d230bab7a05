"""Keeps the ranks of one model in step: branches that hang on values or failure are taken by all alike.

All ranks run the same code on the same messages, and draw the same numbers. What could still differ is settled
here: rank 0's measurements and partitions count, and before each forward all ranks say that they stand ready, so
that one that raised leaves nobody waiting in a collective. The runner, the prover and the encode cache call it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from workers.stepping.faults import is_out_of_memory
from workers.stepping.plan import PendingCall

Value = TypeVar("Value")

#: What a rank says when it meets the others: ready, raised, or out of memory.
READY, RAISED, FULL = 0, 1, 2


class RankLost(BaseException):
    """Another rank is gone, silent, or somewhere else in the code: this one cannot go on.

    No Exception: a handler for what a model may raise must not take it for that.
    """


class Lockstep:
    """One rank alone: nothing to agree on."""

    def decide(self, value: Value) -> Value:
        """Rank 0's value, which must be small and picklable, on every rank."""
        return value

    def everywhere(self, holds: bool) -> bool:
        """Whether it holds on every rank."""
        return holds

    def meet(self, what: str) -> None:
        """Go on once every rank stands ready at `what`."""
        self.attempt(what, lambda: None)

    def attempt(self, what: str, run: Callable[[], Value]) -> Value:
        """The result of `run`; if it raises on any rank, all raise.

        Raises:
            torch.OutOfMemoryError: a rank had no room.
            RuntimeError: only some ranks raised. When all did, each raises its own error.
        """
        return run()

    def partition(
        self, group: Sequence[PendingCall], key_of: Callable[[PendingCall], Hashable]
    ) -> list[list[PendingCall]]:
        """The calls with equal keys together, in the order of their first."""
        if len(group) <= 1:
            return [list(group)] if group else []
        parts: dict[Hashable, list[PendingCall]] = {}
        for call in group:
            parts.setdefault(key_of(call), []).append(call)
        by_id = {call.call_id: call for call in group}
        decided = self.decide([[call.call_id for call in part] for part in parts.values()])
        return [[by_id[call_id] for call_id in part] for part in decided]


#: The lockstep of a model on one device.
ALONE = Lockstep()


class GroupLockstep(Lockstep):
    """Agreement over a CPU process group (gloo); `group` is None for the default one.

    Every exchange is numbered, so that ranks that have come apart find out at the next one and end, rather than
    hang or mix their answers.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self._ranks = dist.get_world_size(group)
        self._exchanges = 0

    def decide(self, value: Value) -> Value:
        self._exchanges += 1
        box: list[Any] = [(self._exchanges, value)]
        self._talk(lambda: dist.broadcast_object_list(box, src=0, group=self._group))
        number, decided = box[0]
        if number != self._exchanges:
            raise RankLost(f"rank 0 is at exchange {number}, this rank at {self._exchanges}")
        result: Value = decided
        return result

    def everywhere(self, holds: bool) -> bool:
        return self._say("everywhere", READY if holds else RAISED) == {READY}

    def attempt(self, what: str, run: Callable[[], Value]) -> Value:
        result, error = None, None
        try:
            result = run()
        except Exception as raised:  # noqa: BLE001 - told to the others, then raised below
            error = raised
        said = READY if error is None else FULL if is_out_of_memory(error) else RAISED
        everybody = self._say(what, said)
        if everybody == {said}:
            if error is not None:
                raise error
            return result  # type: ignore[return-value]
        if FULL in everybody:
            raise torch.OutOfMemoryError(f"another rank has no room for {what}") from error
        raise RuntimeError(f"{what} failed on some ranks only: {error or 'on another one'}") from error

    def _say(self, what: str, said: int) -> set[int]:
        """What all ranks say here."""
        self._exchanges += 1
        mine = torch.tensor([self._exchanges, zlib.crc32(what.encode()), said])
        everybody = [torch.empty_like(mine) for _ in range(self._ranks)]
        self._talk(lambda: dist.all_gather(everybody, mine, group=self._group))
        for rank, other in enumerate(everybody):
            if not torch.equal(other[:2], mine[:2]):
                raise RankLost(f"rank {rank} is not at exchange {self._exchanges} ({what})")
        return {int(other[2]) for other in everybody}

    @staticmethod
    def _talk(exchange: Callable[[], None]) -> None:
        try:
            exchange()
        except RuntimeError as error:
            raise RankLost(f"another rank does not answer: {error}") from error
