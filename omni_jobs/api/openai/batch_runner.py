"""The thread of an API process that works on batches, a step of each in turn; any process takes over another's.

Started and stopped with the application.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress

import structlog

from omni_jobs.api.openai.batch_work import BatchWork
from omni_jobs.api.service import Service
from omni_jobs.errors import OmniJobsError

LOG = structlog.get_logger(__name__)
#: Who works on a batch must do a step within this time, or another process takes it over.
LOCK_SECONDS = 60.0
#: How often new batches and finished jobs are looked for.
IDLE_SECONDS = 0.5


class BatchRunner:
    """Works on every batch that nobody else holds."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the application's."""
        self._service = service
        self._loop = loop
        self._holder = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._held: dict[tuple[str, str], Iterator[bool]] = {}
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step under way; what is left is taken over."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                is_busy = self._round()
            except OmniJobsError as error:
                LOG.warning("batches wait", error=str(error))
                is_busy = False
            if not is_busy:
                self._stopping.wait(IDLE_SECONDS)
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
            if place not in self._held:
                self._held[place] = BatchWork(self._service, store.batch(*place), self._loop).steps()
            is_busy |= self._step(place)
        return is_busy

    def _step(self, place: tuple[str, str]) -> bool:
        try:
            return next(self._held[place])
        except StopIteration:
            LOG.info("batch ended", batch=place[1])
        except OmniJobsError as error:
            LOG.warning("batch waits", batch=place[1], code=error.code, error=str(error))
        except Exception:
            # One batch that cannot be worked on must not stop all others; it is tried again from its first line.
            LOG.exception("batch met an error of ours", batch=place[1])
        self._held.pop(place, None)
        return False
