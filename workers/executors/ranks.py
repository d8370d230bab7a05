"""The ranks of one executor as it sees them: calls to all of them, replies, and what becomes of the dead.

One thread per rank reads its replies and notices at once when it is gone. `BackgroundResources` holds whatever
must be released and knows no executor, so that `weakref.finalize` can release it when nobody holds the executor.
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import structlog

from omni_jobs.errors import EngineUnavailable
from workers.executors.wire import READY, Call, Reply, packed

log = structlog.get_logger(__name__)

#: Time that a rank has to end by itself once its connection is closed.
CLOSE_SECONDS = 1.0


class Rank(ABC):
    """One rank: how to speak to it, and how to end it if we started it."""

    number: int

    @abstractmethod
    def send(self, data: bytes, seconds: float) -> None:
        """Give it a packed message; OSError if it takes none within this time."""

    @abstractmethod
    def replies(self) -> Iterator[Any]:
        """What it says, until it is gone."""

    @abstractmethod
    def hang_up(self) -> None:
        """Have it end, if we started it, without waiting for that."""

    @abstractmethod
    def end(self, patience: float) -> str:
        """Wait so many seconds for the end of what we started, or kill it; how it ended, in words."""

    @abstractmethod
    def close(self) -> None:
        """Free what is held here; the rank has ended or is let go."""


class Cleanable(Protocol):
    """What a group keeps as long as it has ranks: a folder, a share of a cluster."""

    def cleanup(self) -> None: ...


class BackgroundResources:
    """Connections, processes and reader threads of one group; released together, whatever happened before."""

    def __init__(self, ranks: Sequence[Rank], kept: Cleanable | None = None) -> None:
        self.ranks = ranks
        self.replies: SimpleQueue[Reply | None] = SimpleQueue()
        self.failure: str | None = None
        self._kept = kept
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._readers = [
            threading.Thread(target=self._read, args=(rank,), name=f"rank-{rank.number}", daemon=True)
            for rank in ranks
        ]
        for reader in self._readers:
            reader.start()

    def when_failed(self, callback: Callable[[], None]) -> None:
        """Call it once when the group fails, from a reader's thread; at once if it has."""
        with self._lock:
            self._callbacks.append(callback)
            is_late = self.failure is not None
        if is_late:
            callback()

    def fail(self, reason: str) -> None:
        """The group can serve no more: end every rank, so that none waits for another, and tell."""
        with self._lock:
            if self.failure is not None:
                return
            self.failure = f"The model's group of {len(self.ranks)} ranks is lost: {reason}."
            callbacks = tuple(self._callbacks)
        log.error("rank group lost", reason=reason)
        for rank in self.ranks:
            rank.end(0.0)
        self.replies.put(None)
        for callback in callbacks:
            callback()

    def close(self) -> None:
        """Hang up; end what we started; leave no zombie. Calling it twice is harmless."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self.failure = self.failure or "The executor was shut down."
        for rank in self.ranks:
            rank.hang_up()
        ends_at = time.monotonic() + CLOSE_SECONDS
        for rank, reader in zip(self.ranks, self._readers, strict=True):
            rank.end(max(0.0, ends_at - time.monotonic()))
            if reader is not threading.current_thread():
                reader.join()
            rank.close()
        if self._kept is not None:
            self._kept.cleanup()

    def _read(self, rank: Rank) -> None:
        for reply in rank.replies():
            self.replies.put(reply)
        if self.failure is None:
            self.fail(f"{rank} {rank.end(CLOSE_SECONDS)}")


class RankGroup:
    """All ranks as one: each call goes to every rank, in the same order; one thread calls."""

    def __init__(self, resources: BackgroundResources, reply_seconds: float) -> None:
        self.resources = resources
        self._reply_seconds = reply_seconds
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self.resources.ranks)

    def check_health(self) -> None:
        """Raises EngineUnavailable, with the reason, once a rank is lost."""
        if self.resources.failure is not None:
            raise EngineUnavailable(self.resources.failure)

    def start(self, first: Sequence[Any], seconds: float) -> None:
        """Give each rank its own first message, and wait until all are ready, or raise what the first one says."""
        for rank, message in zip(self.resources.ranks, first, strict=True):
            self._send(rank, packed(message))
        self._together(READY, "start", seconds)

    def together(self, method: str, args: tuple[Any, ...], full: int | None = 0) -> list[Reply]:
        """Every rank's reply, by rank. A rank that does not answer in time is a lost group.

        Raises:
            EngineUnavailable: a rank is dead or silent.
        """
        return self._together(self._call(method, args, {}, full), method, self._reply_seconds)

    def ask(
        self,
        method: str,
        timeout: float | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        full: int | None,
    ) -> list[Reply]:
        """The same with a time limit of the caller's own, after which late replies are thrown away.

        Raises:
            TimeoutError: names the ranks that did not answer.
            EngineUnavailable: a rank is dead.
        """
        return self._gather(self._call(method, args, kwargs, full), method, timeout)

    def _together(self, number: int, method: str, seconds: float) -> list[Reply]:
        try:
            return self._gather(number, method, seconds)
        except TimeoutError as error:
            self.resources.fail(str(error))
            self.check_health()
            raise

    def _call(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], full: int | None) -> int:
        self.check_health()
        number = next(self._numbers)
        data = packed(Call(number, method, args, dict(kwargs), full))
        for rank in self.resources.ranks:
            self._send(rank, data)
        return number

    def _send(self, rank: Rank, data: bytes) -> None:
        try:
            rank.send(data, self._reply_seconds)
        except OSError as error:
            self.resources.fail(f"{rank} takes no message: {error}")
            self.check_health()

    def _gather(self, number: int, method: str, seconds: float | None) -> list[Reply]:
        replies: dict[int, Reply] = {}
        ends_at = None if seconds is None else time.monotonic() + seconds
        while len(replies) < len(self):
            try:
                left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
                reply = self.resources.replies.get(timeout=left)
            except Empty:
                silent = ", ".join(str(rank) for rank in self.resources.ranks if rank.number not in replies)
                raise TimeoutError(f"`{method}` was not answered within {seconds:g} s by {silent}") from None
            if reply is None:
                self.check_health()
            elif reply.number == READY and reply.error is not None:
                raise reply.error
            elif reply.number == number:
                replies[reply.rank] = reply
        return [replies[rank.number] for rank in self.resources.ranks]
