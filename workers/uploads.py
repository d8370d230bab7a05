"""Rendered jobs on their way to storage: a bounded pool of threads, fed from the spool. The service owns it.

A slot hands its rendered job over and is free for the next one. What waits lies in the spool as raw files; while
these hold more bytes than the operator allows, the worker claims nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from omni_jobs.schemas import Enhancement, Phase
from omni_jobs.store import Claim
from workers.engine_process import Rendered
from workers.leases import Lease

if TYPE_CHECKING:
    from workers.checkpoints import AttemptCheckpoints

log = structlog.get_logger(__name__)

#: Claims go on once what waits is this part of the budget, so that they do not stop again at once.
RESUME_SHARE = 0.5
HELD_UP = "its outputs wait for storage, and their budget on disk is used up"


@dataclass(frozen=True, eq=False)
class RenderedJob:
    """An attempt whose outputs are in the spool. The times are seconds of the monotonic clock."""

    claim: Claim
    lease: Lease
    checkpoints: AttemptCheckpoints
    outputs: tuple[Rendered, ...]
    enhancement: Enhancement | None
    began: float
    rendered_at: float

    @property
    def size_bytes(self) -> int:
        """What its files hold on disk."""
        return sum(file.size_bytes for output in self.outputs for file in output.files)

    def discard(self) -> None:
        """Remove the files."""
        for output in self.outputs:
            output.discard()


class Uploads:
    """The queue and its threads. `finish` brings a job to its end; `hand_back` gives up one that must wait longer.

    `on_change` is told when the budget is used up, and when there is room again.
    """

    def __init__(
        self,
        threads: int,
        budget_bytes: int,
        finish: Callable[[RenderedJob], None],
        hand_back: Callable[[RenderedJob], None],
        on_change: Callable[[bool], None],
    ) -> None:
        self.budget_bytes = budget_bytes
        self._finish = finish
        self._hand_back = hand_back
        self._on_change = on_change
        self._changed = threading.Condition()
        self._waiting: deque[RenderedJob] = deque()
        self._held: dict[RenderedJob, int] = {}
        self._tried_at = 0.0
        self._is_full = False
        self._is_closed = False
        self._threads = [threading.Thread(target=self._work, name="uploads", daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin to take jobs to storage."""
        for thread in self._threads:
            thread.start()

    @property
    def jobs(self) -> int:
        """Rendered jobs that are not at their end yet."""
        return len(self._held)

    @property
    def size_bytes(self) -> int:
        """What they hold on disk."""
        with self._changed:
            return sum(self._held.values())

    @property
    def is_full(self) -> bool:
        """Whether the worker claims nothing because of them."""
        return self._is_full

    def put(self, job: RenderedJob) -> None:
        """Take a job over, with its lease. While it waits, its lease lasts as long as the pool tries to store."""
        job.lease.enter(Phase.UPLOAD, lambda: self._tried_at)
        with self._changed:
            self._held[job] = job.size_bytes
            self._waiting.append(job)
            self._changed.notify_all()
        self._weigh()
        job.lease.when_stopped(lambda: self._forget(job))

    def tried(self, lease: Lease) -> None:
        """Storage is about to be asked: news for this lease, and for those that wait behind it."""
        lease.enter(Phase.UPLOAD)
        self._tried_at = time.monotonic()

    def close(self, seconds: float) -> None:
        """Finish what is here, at most so long; the rest is handed back, even what a thread is busy with."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held, seconds)
            self._is_closed = True
            self._waiting.clear()
            late = list(self._held)
            self._changed.notify_all()
        for job in late:
            self._hand_back(job)
            self._end(job)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                job = self._waiting.popleft()
            try:
                self._finish(job)
            except Exception:
                log.exception("a rendered job is dropped; its lease runs out", job=job.claim.job_id)
            finally:
                self._end(job)

    def _forget(self, job: RenderedJob) -> None:
        """Its attempt is to stop. One that is no longer ours and waits makes room at once."""
        with self._changed:
            if not job.lease.lost.is_set() or job not in self._waiting:
                return
            self._waiting.remove(job)
        self._finish(job)
        self._end(job)

    def _end(self, job: RenderedJob) -> None:
        with self._changed:
            self._held.pop(job, None)
            self._changed.notify_all()
        job.discard()
        self._weigh()

    def _weigh(self) -> None:
        """Stop or go on with claims, as what is held compares with the budget."""
        with self._changed:
            held = sum(self._held.values())
            is_full = held > self.budget_bytes * (RESUME_SHARE if self._is_full else 1.0)
            if is_full == self._is_full:
                return
            self._is_full = is_full
            if is_full:
                log.error("nothing more is claimed: " + HELD_UP, bytes=held, budget_bytes=self.budget_bytes)
            else:
                log.info("storage has taken enough; claiming again", bytes=held, budget_bytes=self.budget_bytes)
            self._on_change(is_full)
