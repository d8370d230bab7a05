"""A line's job whose pictures the application's loop fetches: looked after now and then, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any

from omni_jobs.schemas import JobRequest

#: How long a job is waited for when it is asked for: most pictures are stored by then.
PATIENCE_SECONDS = 0.05


class Arriving:
    """One job at a time, by its line's number."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """`wake` is called when the job is there; nobody need look before."""
        self._loop = loop
        self._wake = wake
        self._asked: tuple[int, Future[JobRequest]] | None = None

    def of(self, number: int, ask: Callable[[], Coroutine[Any, Any, JobRequest]]) -> JobRequest | None:
        """The job, which is then forgotten, or None if it is not there yet. Raises what `ask` raises."""
        if self._asked is None or self._asked[0] != number:
            self.close()
            future = asyncio.run_coroutine_threadsafe(ask(), self._loop)
            future.add_done_callback(lambda _: self._wake())
            self._asked = number, future
            wait([future], PATIENCE_SECONDS)
        future = self._asked[1]
        if not future.done():
            return None
        self._asked = None
        return future.result()

    def close(self) -> None:
        """Nobody wants it any more."""
        if self._asked is not None:
            self._asked[1].cancel()
            self._asked = None
