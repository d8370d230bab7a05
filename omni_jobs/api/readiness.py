"""Whether jobs are being taken: a doorbell goes through the broker, and somebody must take it off the queue."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from omni_jobs.celery_tasks import broker_settings, producer_app, send_doorbell
from omni_jobs.errors import OmniJobsError
from omni_jobs.names import model_queue, new_id
from omni_jobs.schemas import SERVING, WorkerInfo
from omni_jobs.schemas.record import Record
from omni_jobs.store import JobStore

LOG = structlog.get_logger(__name__)
#: How long a doorbell may lie in the queue, how often it is looked for, how long an answer is kept.
TAKEN_SECONDS = 3.0
LOOK_SECONDS = 0.01
MEMORY_SECONDS = 2.0
#: The word for a model whose workers claim nothing for now.
HELD_UP = "waits for storage"


class Ready(Record):
    """Whether the service takes and runs jobs, and what is wrong if it does not. `models` has a word for each."""

    is_ready: bool
    models: dict[str, str]
    detail: str


class Readiness:
    """Rings each served model's queue and watches whether its end moves. Safe for threads."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: tuple[float, Ready] | None = None

    def ask(self) -> Ready:
        """The state now, at most some seconds old; blocks while the round trip lasts."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > MEMORY_SECONDS:
                answer = self._look()
                self._known = (time.monotonic(), answer)
            return self._known[1]

    def _look(self) -> Ready:
        try:
            states = model_states(self._store.workers(), [card.name for card in self._store.cards()])
            models = {name: self._probe(name, state) for name, state in states.items()}
        except (OmniJobsError, KombuError, RedisError, OSError) as error:
            LOG.warning("not ready", error=str(error))
            return Ready(is_ready=False, models={}, detail="The queue does not answer.")
        is_ready = not SERVING.isdisjoint(models.values())
        detail = "Jobs are taken." if is_ready else "No worker takes jobs."
        return Ready(is_ready=is_ready, models=models, detail=detail)

    def _probe(self, model: str, state: str) -> str:
        """Sends a doorbell; the queue's end is taken first, so that it moves exactly when somebody consumes."""
        if state not in SERVING:
            return state
        store = self._store
        prefix = broker_settings(store.broker_url, store.keys.prefix)["broker_transport_options"][
            "global_keyprefix"
        ]
        queue = f"{prefix}{model_queue(model)}"
        send_doorbell(producer_app(store.broker_url, store.keys.prefix), model, "", new_id("look"))
        first = store.redis.lindex(queue, -1)
        ends = time.monotonic() + TAKEN_SECONDS
        while first is not None and store.redis.lindex(queue, -1) == first:
            if time.monotonic() > ends:
                return "a worker lives and takes no messages"
            time.sleep(LOOK_SECONDS)
        return state


def model_states(workers: Sequence[WorkerInfo], known: Sequence[str]) -> dict[str, str]:
    """A word for each model: its best state on any worker, draining, or that nobody serves it."""
    words = {name: "no live worker" for name in known}
    for rank in ("failed", "draining", HELD_UP, "loading", "unloaded", "asleep", "ready"):
        for worker in workers:
            for model, state in worker.models.items():
                if rank == _word(worker, state):
                    words[model] = rank
    return words


def _word(worker: WorkerInfo, state: str) -> str:
    if worker.state == "draining":
        return "draining"
    return HELD_UP if worker.held_up is not None and state in SERVING else state


def workers_by_state(workers: Sequence[WorkerInfo], model: str) -> dict[str, int]:
    """How many live workers have the model at each state."""
    return dict(Counter(worker.models[model] for worker in workers if model in worker.models))
