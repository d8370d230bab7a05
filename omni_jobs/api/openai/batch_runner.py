"""The thread of an API process that works on batches, a step of each in turn; any process takes over another's.

Started and stopped with the application.
"""

from __future__ import annotations

import asyncio
import errno
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from omni_jobs.api.access import CALLER
from omni_jobs.api.openai.arriving import Arriving
from omni_jobs.api.openai.batch_work import BatchWork
from omni_jobs.api.service import Service
from omni_jobs.errors import OmniJobsError, QuotaExceeded, Superseded, Unavailable

LOG = structlog.get_logger(__name__)
#: Who works on a batch must do a step within this time, or another process takes it over.
LOCK_SECONDS = 60.0
#: How often new batches and finished jobs are looked for.
IDLE_SECONDS = 0.5
#: The pause after the first trouble with a batch, doubled with each further one up to the last.
PAUSES_SECONDS = (1.0, 60.0)
#: Errors of ours after which a batch is given up: about three minutes.
MAX_FAULTS = 8
#: After so long without trouble, well above the longest pause, all before is forgotten: batches may last a month.
FORGET_SECONDS = 600.0
Place = tuple[str, str]


@dataclass
class Held:
    """A batch whose lock is ours. Each trouble begins its work anew, at `again_at` on the runner's clock.

    `faults` counts the troubles that are no outage and no limit of something we need.
    """

    work: BatchWork | None = None
    steps: Iterator[bool] = field(default_factory=lambda: iter(()))
    troubles: int = 0
    faults: int = 0
    troubled_at: float = 0.0
    again_at: float = 0.0

    def note_trouble(self, now: float, *, is_fault: bool) -> None:
        """Counts one, beside those that are not long ago."""
        if now - self.troubled_at > FORGET_SECONDS:
            self.troubles = self.faults = 0
        self.troubles, self.troubled_at = self.troubles + 1, now
        self.faults += is_fault


def pause_seconds(troubles: int, chance: float) -> float:
    """The pause after so many troubles; `chance`, from 0 to 1, shortens it by up to a half."""
    first, longest = PAUSES_SECONDS
    return min(longest, first * 2.0 ** (troubles - 1)) * (1 - chance / 2)


def is_outage(error: Exception) -> bool:
    """Whether what went wrong ends by itself: no answer, a limit, a disk that is full."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, Unavailable | QuotaExceeded)


class BatchRunner:
    """Works on every batch that nobody else holds."""

    def __init__(
        self, service: Service, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`loop` is the application's; `clock` counts seconds and never goes back."""
        self._service = service
        self._loop = loop
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._awake = threading.Event()
        self._held: dict[Place, Held] = {}
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step under way; what is left is taken over."""
        self._stopping.set()
        self._awake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                is_busy = self._round()
            except OmniJobsError as error:
                LOG.warning("batches wait", error=str(error))
                is_busy = False
            if not is_busy:
                self._awake.wait(IDLE_SECONDS)
        with suppress(OmniJobsError):  # the locks then end by themselves
            for place in self._held:
                self._service.store.release_batch(*place, self._holder)

    def _round(self) -> bool:
        """A step of each batch; whether one has more to do at once."""
        store, is_busy = self._service.store, False
        for place in store.open_batches():
            if self._stopping.is_set():
                return False
            if not store.hold_batch(*place, self._holder, LOCK_SECONDS):
                self._held.pop(place, None)
                continue
            held = self._held.setdefault(place, Held())
            if self._clock() >= held.again_at:
                is_busy |= self._step(place, held)
        return is_busy

    def _step(self, place: Place, held: Held) -> bool:
        try:
            if held.work is None:
                held.work, held.steps = self._begun(place)
            CALLER.set(held.work.caller)
            return next(held.steps)
        except (StopIteration, Superseded):
            del self._held[place]
        except Exception as error:
            # One batch that cannot be worked on must not stop all others.
            is_fault = not is_outage(error)
            held.note_trouble(self._clock(), is_fault=is_fault)
            if is_fault:
                LOG.exception("batch met an error of ours", batch=place[1])
            else:
                LOG.warning("batch waits", batch=place[1], code=getattr(error, "code", None), error=str(error))
            if is_fault and held.faults >= MAX_FAULTS:
                self._give_up(place, held, error)
            else:
                self._put_off(held)
        return False

    def _begun(self, place: Place) -> tuple[BatchWork, Iterator[bool]]:
        """The work from the batch's record as it is now. Raises NotFound."""
        work = BatchWork(
            self._service,
            self._service.store.batch(*place),
            self._holder,
            Arriving(self._loop, self._awake.set),
        )
        return work, work.steps()

    def _put_off(self, held: Held) -> None:
        """The work begins anew after a pause; until then nobody else takes the batch."""
        held.again_at = self._clock() + pause_seconds(held.troubles, random.random())
        held.work = None

    def _give_up(self, place: Place, held: Held, error: Exception) -> None:
        reason = (
            str(error) if isinstance(error, OmniJobsError) else f"{type(error).__name__}; the server's log has it."
        )
        try:
            if held.work is None:
                self._service.store.close_batch(*place)  # it has no record that could be begun with
            else:
                held.work.give_up(reason)
            del self._held[place]
        except OmniJobsError:
            LOG.exception("batch is not given up yet", batch=place[1])
            held.note_trouble(self._clock(), is_fault=False)
            self._put_off(held)
