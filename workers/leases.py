"""The heartbeat of a worker's jobs: one thread renews the leases of those that advance, and of no others.

A job whose present phase has exceeded its budget is not renewed, so that a hung device loses it and a busy one
does not. When the store says that a job is no longer ours, its slot is told and drops it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from omni_jobs.errors import QueueUnavailable
from omni_jobs.schemas import Phase
from omni_jobs.store import Claim, JobStore, Ref

log = structlog.get_logger(__name__)

#: Longest time in seconds that a job may spend in a phase outside the engine without news.
PHASE_BUDGETS: dict[Phase, float] = {Phase.LOADING: 600.0, Phase.UPLOAD: 900.0}
#: Renewals per lease.
RENEWALS = 3


class Lease:
    """A held attempt. `lost`: the store says that it is no longer ours. `stopped`: that, or the worker drains."""

    def __init__(self, claim: Claim, engine_advances: Callable[[], bool], budgets: Mapping[Phase, float]) -> None:
        self.claim = claim
        self.lost = threading.Event()
        self.stopped = threading.Event()
        self._engine_advances = engine_advances
        self._budgets = budgets
        self._when_stopped: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self.enter(Phase.LOADING)

    def enter(self, phase: Phase, news: Callable[[], float] = lambda: 0.0) -> None:
        """The job begins a phase; its budget starts anew, now and at `news` (a time of the monotonic clock)."""
        self._phase, self._since, self._news = phase, time.monotonic(), news

    def is_advancing(self) -> bool:
        """Whether the job's present phase is within its budget."""
        budget = self._budgets.get(self._phase)
        if budget is None:
            return self._engine_advances()
        return time.monotonic() - max(self._since, self._news()) < budget

    def when_stopped(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` once when the attempt is to stop, or now if it is; returns the undoing."""

        def undo() -> None:
            with self._lock:
                if tell in self._when_stopped:
                    self._when_stopped.remove(tell)

        with self._lock:
            is_late = self.stopped.is_set()
            if not is_late:
                self._when_stopped.append(tell)
        if is_late:
            tell()
        return undo

    def lose(self) -> None:
        """The attempt is no longer ours."""
        self.lost.set()
        self.stop()

    def stop(self) -> None:
        """Whoever works on this attempt drops it."""
        with self._lock:
            self.stopped.set()
            told, self._when_stopped = self._when_stopped, []
        for tell in told:
            tell()


class Leases:
    """All leases of one worker, and the thread that renews them."""

    def __init__(
        self,
        store: JobStore,
        worker: str,
        lease_seconds: float,
        engine_advances: Callable[[], bool],
        budgets: Mapping[Phase, float] = PHASE_BUDGETS,
    ) -> None:
        self._store = store
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._engine_advances = engine_advances
        self._budgets = budgets
        self._held: dict[Ref, Lease] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._renew_for_ever, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def close(self) -> None:
        """Stop renewing; what is held runs out by itself."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, claim: Claim) -> Lease:
        """Renew this claim's lease until it is released."""
        lease = Lease(claim, self._engine_advances, self._budgets)
        with self._lock:
            superseded = self._held.get(claim.ref)
            self._held[claim.ref] = lease
            is_stopping = self._is_stopping
        if superseded is not None:  # it ended before this thread could tell; its slot may still work on it
            superseded.lose()
        if is_stopping:
            lease.stop()
        return lease

    def release(self, lease: Lease) -> None:
        """Renew it no more: the attempt has ended."""
        with self._lock:
            if self._held.get(lease.claim.ref) is lease:
                del self._held[lease.claim.ref]

    def stop_all(self) -> None:
        """The worker drains: every attempt stops, and its slot hands the job back."""
        with self._lock:
            self._is_stopping = True
            leases = list(self._held.values())
        for lease in leases:
            lease.stop()

    def lose(self, ref: Ref) -> None:
        """Somebody says that this job was canceled: its slot drops it now. Unknown jobs are ignored."""
        lease = self._held.get(ref)
        if lease is not None:
            lease.lose()

    def renew(self) -> None:
        """One round. Raises QueueUnavailable."""
        with self._lock:
            leases = dict(self._held)
        due = [lease.claim for lease in leases.values() if lease.is_advancing()]
        if len(due) < len(leases):
            log.error("jobs do not advance; their leases run out", jobs=len(leases) - len(due))
        if not due:
            return
        jobs = [(claim.account, claim.job_id, claim.attempt) for claim in due]
        for ref in self._store.renew(self._worker, jobs, self._lease_seconds):
            log.warning("job is no longer ours", account=ref.account, job=ref.job_id)
            leases[ref].lose()

    def _renew_for_ever(self) -> None:
        while not self._closing.wait(self._lease_seconds / RENEWALS):
            try:
                self.renew()
            except QueueUnavailable as error:
                log.warning("leases could not be renewed", error=str(error))
