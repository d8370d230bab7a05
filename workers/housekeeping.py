"""What a worker does beside its jobs, on one thread: it says that it lives, publishes its models, and reconciles.

The reconciler runs in every worker and courier; the store lets one of them lead.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from omni_jobs import __version__, queue
from omni_jobs.errors import Misconfigured, OmniJobsError
from omni_jobs.schemas import Deployment, ModelCard, WorkerInfo
from workers.engine_process import Action
from workers.engine_process.memory import host_memory
from workers.engine_process.state import MOVING
from workers.uploads import HELD_UP

if TYPE_CHECKING:
    from workers.service import WorkerService

log = structlog.get_logger(__name__)

#: Time between two beats, and how long one counts.
BEAT_SECONDS = 1.0
BEAT_TTL_SECONDS = 10.0


class Housekeeping:
    """The thread. `wake` makes it look at once."""

    def __init__(self, service: WorkerService) -> None:
        self._service = service
        self._started_at = datetime.now(UTC)
        self._published: dict[str, ModelCard] = {}
        self._refusals: dict[str, str] = {}
        self._next_sweep = 0.0
        self._news = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin; the first beat is sent at once."""
        self._thread.start()

    def wake(self) -> None:
        """Something changed that others should know soon."""
        self._news.set()

    def sweep_soon(self) -> None:
        """Slots became free for jobs whose doorbells were turned away."""
        self._next_sweep = 0.0
        self._news.set()

    def close(self) -> None:
        """Say goodbye and end."""
        self._closing.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._news.clear()
            try:
                # The card first: who hears that a model is ready may submit at once.
                self._publish()
                self._beat()
                self._sweep()
                self._hear_changes()
                self._hear_drain()
            except OmniJobsError as error:
                log.warning("housekeeping interrupted", error=str(error))
            self._news.wait(BEAT_SECONDS)
        try:
            self._service.store.forget_worker(self._service.id)
        except OmniJobsError as error:
            log.warning("goodbye not heard", error=str(error))

    def _hear_changes(self) -> None:
        """An operator may load, unload, reload, wake models, or put them to sleep (`omni-jobs workers models`)."""
        engine = self._service.engine
        for action, model in self._service.store.take_changes(self._service.id):
            if model not in engine.models or action not in list(Action):
                log.warning("change not understood", action=action, model=model)
                continue
            log.info("asked to change a model", action=action, model=model)
            if action == Action.RELOAD:
                self._reload(model)
            else:
                engine.change(Action(action), model)

    def _reload(self, model: str) -> None:
        """What the configuration says wrongly is told beside the model, which goes on as it was."""
        self._refusals.pop(model, None)
        try:
            self._service.reload(model)
        except Misconfigured as error:
            self._refusals[model] = str(error)
            log.error("model is not reloaded", model=model, error=str(error))

    def _hear_drain(self) -> None:
        """An operator may ask this worker to hand its jobs back and end (`omni-jobs workers drain`)."""
        if self._service.store.is_asked_to_drain(self._service.id):
            log.info("asked to drain")
            os.kill(os.getpid(), signal.SIGTERM)

    def _beat(self) -> None:
        service = self._service
        states = service.engine.models
        service.store.beat_worker(
            WorkerInfo(
                id=service.id,
                host=socket.gethostname(),
                models={name: self._told(name, state.phase) for name, state in states.items()},
                slots=service.slots.total,
                in_flight=service.slots.busy,
                state="draining" if service.is_draining else "ready",
                started_at=self._started_at,
                beat_at=datetime.now(UTC),
                device=", ".join(sorted({state.device for state in states.values() if state.device})),
                version=__version__,
                held_up=HELD_UP if service.uploads.is_full else None,
                details=self._details(),
            ),
            BEAT_TTL_SECONDS,
        )

    def _told(self, name: str, phase: str) -> str:
        """A model's phase as others see it: ready only once its card is there."""
        unpublished = phase == "ready" and name not in self._published
        return "loading" if unpublished or phase in (*MOVING, "reloading") else phase

    def _details(self) -> dict[str, Any]:
        engine = self._service.engine
        errors = {name: state.error for name, state in engine.models.items() if state.error}
        versions = next((state.versions for state in engine.models.values() if state.versions), {})
        uploads = self._service.uploads
        return {
            **asdict(engine.stats),
            "checkpoints": self._service.tally.to_json(),
            "uploads": uploads.jobs,
            "upload_bytes": uploads.size_bytes,
            "upload_budget_bytes": uploads.budget_bytes,
            "merging": engine.merging,
            "engine_restarts": max(0, engine.restarts),
            "engine_process": engine.process_id,
            "engines": engine.each,
            "host_memory": host_memory(),
            "versions": versions,
            "errors": errors | self._refusals,
        }

    def _publish(self) -> None:
        """Cards of models that became ready or whose adapters changed, and where objects are kept."""
        service = self._service
        cards = {name: service.card(name) for name in service.engine.ready_models}
        self._notice_loss()
        fresh = cards.keys() - self._published.keys()
        for name, card in cards.items():
            if card != self._published.get(name):
                service.store.publish_card(card)
        for name in fresh:
            log.info("model is ready", model=name, device=service.engine.models[name].device)
        if fresh:
            address = shared_address(service.settings.storage_url)
            service.store.publish_deployment(
                Deployment(storage_url=address, api_url=service.settings.api_url, version=__version__)
            )
        self._published = cards
        if fresh:
            self._next_sweep = 0.0  # it rings for what waits already

    def _notice_loss(self) -> None:
        """A card that was published and is gone: somebody wiped Redis, or started it without its file."""
        lost = self._service.store.unknown_models(self._published)
        if lost:
            log.error(
                "Redis has lost what was in it: jobs that waited there are gone; models are published anew",
                models=lost,
                remedy="Restore a backup before more is submitted, and look why it was empty.",
            )
            self._published = {name: card for name, card in self._published.items() if name not in lost}

    def _sweep(self) -> None:
        settings, store = self._service.settings, self._service.store
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + settings.reconcile_seconds
        found = store.reconcile(interval_seconds=settings.reconcile_seconds, grace_seconds=settings.lease_seconds)
        if found.released or found.failed or found.expired:
            log.warning("leases ended", released=found.released, failed=found.failed, expired=found.expired)
        for ring in found.rings:
            queue.ring(store, ring.model, ring.ref)
        self._look_at_depths()

    def _look_at_depths(self) -> None:
        """Ring for what waits beside free slots, and make room for jobs that tolerate no company."""
        service = self._service
        by_model = service.store.stats()["models"]
        depths = [by_model.get(model, {}) for model in service.engine.ready_models]
        service.slots.make_room_for_suspects(any(depth.get("alone") for depth in depths))
        service.ring_self(sum(int(depth.get("ready", 0) + depth.get("alone", 0)) for depth in depths))


def shared_address(storage_url: str) -> str:
    """The address of the objects as other processes may open it: a folder's path made absolute."""
    return storage_url if "://" in storage_url else str(Path(storage_url).absolute())
