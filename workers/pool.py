"""Our Celery pool: threads that can be drained. Chosen by `-P custom` and `CELERY_CUSTOM_WORKER_POOL`.

Celery's own threads pool cannot terminate and cannot shut down softly. A slot's work ends through its job's
record, so here terminating a slot means nothing, and stopping means: run nothing that has not begun (its message
goes back to the queue), and wait for the slots, which hand back what they hold.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from celery.concurrency.base import apply_target
from celery.concurrency.thread import ApplyResult
from celery.concurrency.thread import TaskPool as ThreadPool


class SlotResult(ApplyResult):  # type: ignore[misc]
    """What Celery holds of a slot's work."""

    def terminate(self, signal: Any = None) -> None:
        """Celery calls this in a cold shutdown; the drain that began with it ends the work."""


class TaskPool(ThreadPool):  # type: ignore[misc]
    """One thread per slot, and a few for doorbells that find all slots busy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._results: dict[Future[Any], SlotResult] = {}

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> SlotResult:
        future = self.executor.submit(apply_target, target, args, kwargs, callback, accept_callback)
        # Celery keeps a weak reference only.
        self._results[future] = SlotResult(future)
        future.add_done_callback(lambda done: self._results.pop(done, None))
        return SlotResult(future)

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Nothing: jobs are canceled and given deadlines through their records."""

    def on_stop(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=True)

    on_terminate = on_stop
