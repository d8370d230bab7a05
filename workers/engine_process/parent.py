"""The worker's half of the engine process: spawn it, talk to it, watch it, restart it. No torch here.

One keeper thread owns the child's life; slots call `submit` and `cancel` from theirs. When the child dies every
request in it fails with `EngineLost`, and only those in the last flight record are blamed.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from omni_jobs.errors import EngineUnavailable
from workers.engine_process.errors import EngineLost, RequestDropped, error_from
from workers.engine_process.losses import cause_of, losses
from workers.engine_process.messages import Channel, Rendered, RenderRequest, Tell
from workers.engine_process.recent import RecentBatches
from workers.engine_process.residency import Action, Budget
from workers.engine_process.respawning import BACKOFF_SECONDS, OUT_OF_SERVICE, Respawning
from workers.engine_process.spawning import reap, spawn, watch
from workers.engine_process.spool import SpoolFile, folder_of_process, taken_over
from workers.engine_process.state import SERVING, EngineStats, ModelState, Pending, Position, budget_seconds, hear
from workers.registry import ModelRow

log = structlog.get_logger(__name__)


class EngineProcess:
    """The engine process of one worker. `on_change` is called from the keeper thread when a model changes.

    Measured caps are kept in `caps`, a file per model. `budget` bounds the weights on the device and asleep.
    Requests are saved after each `checkpoint_seconds` of device time; 0 saves none.
    """

    def __init__(
        self,
        rows: Sequence[ModelRow],
        spool: Path,
        on_change: Callable[[], None] = lambda: None,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
        caps: Path | None = None,
        budget: Budget | None = None,
        checkpoint_seconds: float = 0.0,
    ) -> None:
        self.models = {row.name: ModelState(row) for row in rows}
        self.restarts = -1
        self.stats = EngineStats()
        self.merging: dict[str, Any] = {}
        self.recent = RecentBatches()
        self._spool = spool
        facts = {"caps": caps and str(caps), "checkpoint_seconds": checkpoint_seconds}
        self._setup = {"kind": "configure", "budget": asdict(budget or Budget()), **facts}
        self._on_change = on_change
        self._respawning = Respawning(backoff_seconds)
        self._lock = threading.Lock()
        self._pending: dict[str, Pending] = {}
        self._busy_since: float | None = None
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)
        self._watch = threading.Thread(target=watch, args=(self._closing, self._look), daemon=True)

    def start(self) -> None:
        """Spawn the child; returns at once. `models` tells when they are ready."""
        self._spool.mkdir(parents=True, exist_ok=True)
        self._keeper.start()
        self._watch.start()

    def close(self) -> None:
        """End the child and fail what is in it with RequestDropped. Calling it twice is harmless."""
        self._closing.set()
        for request_id in tuple(self._pending):
            self.cancel(request_id)
        channel = self._channel
        if channel is not None:
            channel.close()
        if self._keeper.is_alive():
            self._keeper.join()

    @property
    def ready_models(self) -> tuple[str, ...]:
        """Models that accept requests now; those that are not on the device are brought there for them."""
        return tuple(name for name, state in self.models.items() if state.phase in SERVING)

    @property
    def process_id(self) -> int | None:
        """The child's process id while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def submit(self, request: RenderRequest, listener: Tell | None = None) -> Future[Rendered]:
        """Send one request. The future ends in a Rendered or raises the request's own error, EngineLost or
        RequestDropped; `listener` is told of its checkpoints.

        Raises:
            EngineUnavailable: the model is not ready now.
        """
        pending = Pending(request, Future(), listener=listener)
        with self._lock:
            channel = self._channel
            if channel is None or self.models[request.model].phase not in SERVING:
                raise EngineUnavailable(f"Model `{request.model}` is not ready in this worker.")
            self._pending[request.request_id] = pending
            self._busy_since = self._busy_since or time.monotonic()
        try:
            channel.send({"kind": "submit", "request": request.to_json()})
        except OSError:
            self._settle(request.request_id, EngineLost())
        return pending.future

    def cancel(self, request_id: str) -> None:
        """Drop a request; its future raises RequestDropped at once, and the device stops at its next call."""
        self._settle(request_id, RequestDropped())
        self._send({"kind": "cancel", "request_id": request_id})

    def hand_back(self, request_id: str) -> None:
        """Save a request at its next call, then drop it: its listener hears first, then its future ends."""
        self._send({"kind": "hand_back", "request_id": request_id})

    def _send(self, message: Mapping[str, Any]) -> None:
        if (channel := self._channel) is not None:
            with suppress(OSError):  # the child died, and the request with it
                channel.send(message)

    def change(self, action: Action, model: str) -> None:
        """Ask for a model to be loaded, reloaded as its row says, unloaded, put to sleep or woken, when it can be.

        Raises:
            EngineUnavailable: the engine process is not there now.
        """
        if (channel := self._channel) is None:
            raise EngineUnavailable("The engine process is not there now.")
        channel.send({"kind": "change", "action": action, "model": model, "row": self.models[model].row.to_json()})

    def position(self, request_id: str) -> Position | None:
        """Where a request stands, or None before its first call and after its end."""
        pending = self._pending.get(request_id)
        return pending.position if pending else None

    @property
    def is_advancing(self) -> bool:
        """False while the executing call has exceeded its budget: then no lease is renewed."""
        since = self._busy_since
        return since is None or time.monotonic() - since < self._budget_seconds()

    def _budget_seconds(self) -> float:
        with self._lock:
            batch = {self._pending[i].request.model for i in self.recent.executing if i in self._pending}
            return budget_seconds(self.models, batch)

    def _keep(self) -> None:
        while not self._closing.is_set():
            began = time.monotonic()
            self._run_child()
            if self._closing.is_set() or self._respawning.is_hopeless:
                return
            pause = self._respawning.pause(time.monotonic() - began)
            log.warning("engine process restarts", pause_seconds=pause)
            self._closing.wait(pause)

    def _run_child(self) -> None:
        process, channel = spawn()
        self.restarts += 1
        with self._lock:
            self._process, self._channel = process, channel
            self._busy_since = time.monotonic()
        rows = [state.row.to_json() for state in self.models.values()]
        with folder_of_process(self._spool, process.pid) as folder:
            try:
                with suppress(OSError):  # it died at once; what follows treats both ends alike
                    channel.send({**self._setup, "spool": str(folder), "rows": rows})
                    for message in taken_over(channel.receive(), self._spool):
                        self._handle(message)
            finally:
                self._bury(process, channel)

    def _bury(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        hung = not self.is_advancing
        with self._lock:
            self._channel, batch, lost = None, self.recent.executing, dict(self._pending)
            self._busy_since = None
            self.recent.rest()
            for state in self.models.values():
                state.phase = "starting" if state.phase != "failed" else state.phase
        channel.close()
        status = reap(process)
        if not self._closing.is_set():
            log.error("engine process died", status=status, in_flight=len(lost), in_batch=batch)
        self._respawning.died(status, batch)
        if self._respawning.is_hopeless:
            log.error(OUT_OF_SERVICE, models=list(self.models))
            batch = ()
            for state in self.models.values():
                state.phase, state.error = "failed", OUT_OF_SERVICE
        for request_id, error in losses(lost, batch, cause_of(status, hung=hung)).items():
            self._settle(request_id, error)
        self._on_change()

    def _handle(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._busy_since = time.monotonic()
        HANDLERS[message["kind"]](self, message)

    def _on_idle(self, message: dict[str, Any]) -> None:
        self.merging = message["merging"]
        self.recent.rest(message.get("memory"))
        with self._lock:
            self._busy_since = time.monotonic() if self._pending else None

    def _on_word(self, message: dict[str, Any]) -> None:
        hear(self._pending.get(message["request_id"]), message)

    def _on_finished(self, message: dict[str, Any]) -> None:
        files = tuple(SpoolFile.from_json(file) for file in message["files"])
        rendered = Rendered(files, message["metrics"])
        self.stats.count(rendered.metrics)
        self._respawning.served()
        if not self._settle(message["request_id"], rendered):
            rendered.discard()

    def _on_model(self, message: dict[str, Any]) -> None:
        self.models[message["model"]].hear(message)
        self._on_change()

    def _settle(self, request_id: str, outcome: Rendered | Exception) -> bool:
        """End a request once; False if it had ended before."""
        with self._lock:
            pending = self._pending.pop(request_id, None)
        if pending is None:
            return False
        pending.end(outcome)
        return True

    def _look(self, late_seconds: float) -> None:
        """Kill a child that hangs. Time in which this process was stopped itself is not the child's."""
        with self._lock:
            self._busy_since = self._busy_since and self._busy_since + late_seconds
        if not self.is_advancing and (process := self._process) is not None and process.poll() is None:
            log.error("engine process hangs; killing it", in_batch=self.recent.executing)
            process.kill()


#: What each kind of message does.
HANDLERS: dict[str, Callable[[EngineProcess, dict[str, Any]], object]] = {
    "batch": lambda engine, said: engine.recent.begin(said["request_ids"], time.monotonic(), said.get("memory")),
    "idle": EngineProcess._on_idle,
    "finished": EngineProcess._on_finished,
    "failed": lambda engine, message: engine._settle(message["request_id"], error_from(message["error"])),
    "canceled": lambda engine, message: engine._settle(message["request_id"], RequestDropped()),
    **dict.fromkeys(("phase", "ready", "load_failed"), EngineProcess._on_model),
    **dict.fromkeys(("progress", "preview", "checkpoint", "not_saved", "resumed"), EngineProcess._on_word),
}
