"""One worker: its store, objects, engine process, slots and leases, from start to drain.

The Celery app makes one and gives it to the task. Nothing here imports torch.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from omni_jobs import queue
from omni_jobs.errors import Misconfigured
from omni_jobs.names import new_id
from omni_jobs.schemas import ModelCard
from omni_jobs.settings import Settings
from omni_jobs.store import Claim, Ref, connect
from workers.beside import Beside
from workers.checkpoint_tally import CheckpointTally
from workers.credentials import open_signature
from workers.engine_process import Budget, Replicas
from workers.enhancing.enhance import open_enhancing
from workers.finishing import finish, hand_back
from workers.housekeeping import Housekeeping
from workers.leases import Leases
from workers.lora_folder import open_folder, with_loras
from workers.objects import open_objects
from workers.registry import ModelRow
from workers.slots import Slots
from workers.spool_folder import own_spool
from workers.uploads import Uploads

log = structlog.get_logger(__name__)

#: The part of the grace in which a drain stores what is rendered; the rest of it is for handing back.
UPLOADS_SHARE = 0.75
#: How long its end waits for checkpoints of ended jobs to be deleted; what is left is the collector's.
CLEARING_SECONDS = 1.0


class WorkerService:
    """Everything that one worker process owns."""

    def __init__(
        self,
        settings: Settings,
        rows: Sequence[ModelRow],
        name: str | None = None,
        read_rows: Callable[[], Sequence[ModelRow]] | None = None,
    ) -> None:
        """Open signature, store and objects, checked. `read_rows` reads the operator's configuration once more.

        Raises:
            Misconfigured, Unavailable: with the remedy.
        """
        if not rows:
            raise Misconfigured(
                "This worker has no model.",
                field="model",
                remedy="Give --model NAME=SOURCE or --config omni.toml.",
            )
        self.settings = settings
        self._read_rows = read_rows or (lambda: rows)
        self.id = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.sign = open_signature(settings)
        self.store = connect(settings)
        self.objects = open_objects(settings)
        self.spool: Path = own_spool(settings.data_dir / "spool")
        self.is_closed = threading.Event()
        self._draining = threading.Event()
        self._drained_by = 0.0
        self.slots = Slots(settings.slots, settings.reserved_slots)
        self.engine = self._make_engine(rows)
        self.loras = {row.name: open_folder(row, settings, self.spool / "loras") for row in rows}
        self.leases = Leases(self.store, self.id, settings.lease_seconds, lambda: self.engine.is_advancing)
        self.uploads = Uploads(
            settings.upload_threads,
            settings.upload_spool_bytes,
            partial(finish, self),
            partial(hand_back, self),
            self._hold_claims,
        )
        self.tally = CheckpointTally()
        self.checkpointing = Beside("checkpoints", settings.upload_threads)
        self.enhancing = open_enhancing(settings, self.store)
        self.housekeeping = Housekeeping(self)

    def _make_engine(self, rows: Sequence[ModelRow]) -> Replicas:
        settings = self.settings
        return Replicas(
            rows,
            self.spool,
            self._engine_changed,
            [device.strip() for device in settings.devices.split(",") if device.strip()],
            caps=settings.data_dir / "caps",
            budget=Budget(settings.memory_budget_bytes, settings.sleep_budget_bytes),
            checkpoint_seconds=settings.checkpoint_seconds,
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The models this worker serves, loaded or not."""
        return tuple(self.engine.models)

    def card(self, model: str) -> ModelCard:
        """The card of a model that is ready, with the adapters there are now."""
        card = ModelCard.model_validate(self.engine.models[model].card)
        card = card.model_copy(update={"enhances_prompts": self.enhancing is not None})
        row = self.engine.models[model].row
        return card if row.lora_folder is None else with_loras(card, self.loras[model].names())

    @property
    def is_draining(self) -> bool:
        """Whether it claims nothing any more."""
        return self._draining.is_set()

    def start(self) -> None:
        """Spawn the engine process and begin to beat; jobs are claimed once a model is loaded."""
        self.engine.start()
        self.leases.start()
        self.uploads.start()
        self.checkpointing.start()
        self.store.on_cancel(self.leases.lose)
        self.housekeeping.start()

    def drain(self) -> None:
        """Claim nothing more and stop what runs; its slots hand it back. Returns at once."""
        if self._draining.is_set():
            return
        log.info("worker drains", jobs=self.slots.busy)
        self._drained_by = time.monotonic() + self.settings.grace_seconds * UPLOADS_SHARE
        self._draining.set()
        self.slots.close()
        self.leases.stop_all()

    def close(self) -> None:
        """Release everything, after the slots are done. Calling it twice is harmless."""
        if self.is_closed.is_set():
            return
        self.drain()
        self.uploads.close(max(0.0, self._drained_by - time.monotonic()))
        self.is_closed.set()
        self.housekeeping.close()
        self.leases.close()
        self.engine.close()
        self.checkpointing.close(CLEARING_SECONDS)
        self.objects.close()
        if self.enhancing is not None:
            self.enhancing.close()
        self.store.close()

    def reload(self, model: str) -> None:
        """Load a model anew as the operator's configuration says by now; what runs on it ends first.

        Raises:
            Misconfigured: the configuration does not hold the model, or cannot be read.
        """
        row = next((row for row in self._read_rows() if row.name == model), None)
        if row is None:
            raise Misconfigured(f"The configuration has no model `{model}` any more.", field=f"models.{model}")
        self.loras[model] = open_folder(row, self.settings, self.spool / "loras")
        self.engine.reload(row)

    def ring(self, claim: Claim) -> None:
        """Ring for a job that went back to the queue."""
        queue.ring(self.store, claim.request.model, claim.ref)

    def ring_self(self, waiting: int) -> None:
        """Ring for this many waiting jobs, as far as slots are free: their doorbells may have been lost."""
        for model in self.engine.ready_models[:1]:
            for _ in range(min(waiting, self.slots.free)):
                queue.ring(self.store, model, Ref("", new_id("look")))

    def _hold_claims(self, is_full: bool) -> None:
        self.slots.hold(is_full)
        self.housekeeping.sweep_soon()

    def _engine_changed(self) -> None:
        self.housekeeping.wake()
