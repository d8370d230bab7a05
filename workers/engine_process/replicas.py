"""The engines of one worker: a process per device, each with every model, used as one. No torch here.

A request goes where it is expected to be finished first. A replica that dies takes its own requests along and no
others; while it starts again the rest serve.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from omni_jobs.errors import EngineUnavailable, Misconfigured
from workers.engine_process.choosing import Replica, Work, earliest, learned, pixel_steps
from workers.engine_process.messages import Rendered, RenderRequest, Tell
from workers.engine_process.parent import EngineProcess
from workers.engine_process.residency import Action, Budget
from workers.engine_process.state import SERVING, EngineStats, ModelState, Position
from workers.parallel.degrees import ranks_of
from workers.registry import ModelRow


@dataclass(frozen=True)
class Placed:
    """A request in a replica, and its whole work."""

    engine: EngineProcess
    work: Work


class Replicas:
    """Has the surface of an EngineProcess. Without `devices` there is one, on the device that each row says.

    `budget` bounds the weights on each device, and those that sleep in the host memory of them all.

    Raises:
        Misconfigured: `devices` are given, and one is named twice or a model spans several by itself.
    """

    def __init__(
        self,
        rows: Sequence[ModelRow],
        spool: Path,
        on_change: Callable[[], None] = lambda: None,
        devices: Sequence[str] = (),
        caps: Path | None = None,
        budget: Budget | None = None,
        checkpoint_seconds: float = 0.0,
    ) -> None:
        check_devices(devices, rows)
        self._devices = tuple(devices)
        own = [[replace(row, device=device) for row in rows] for device in devices] or [list(rows)]
        share = budget and budget.shared_by(len(own))
        self.engines = [
            EngineProcess(each, spool, on_change, caps=caps, budget=share, checkpoint_seconds=checkpoint_seconds)
            for each in own
        ]
        self._speeds: list[dict[str, float]] = [{} for _ in self.engines]
        self._placed: dict[str, Placed] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Spawn every engine process; returns at once."""
        for engine in self.engines:
            engine.start()

    def close(self) -> None:
        """End them all. Calling it twice is harmless."""
        for engine in self.engines:
            engine.close()

    @property
    def models(self) -> dict[str, ModelState]:
        """Each model as its best replica has it, with the devices of all and the first error of any."""
        return {name: self._state(name) for name in self.engines[0].models}

    @property
    def ready_models(self) -> tuple[str, ...]:
        """Models that some replica accepts requests for now."""
        return tuple(name for name, state in self.models.items() if state.phase in SERVING)

    @property
    def process_id(self) -> int | None:
        """The process id of the first replica that lives."""
        return next((engine.process_id for engine in self.engines if engine.process_id is not None), None)

    @property
    def each(self) -> list[dict[str, Any]]:
        """What an operator may want to know of each engine, as JSON."""
        return [
            {
                "process": engine.process_id,
                "restarts": max(0, engine.restarts),
                "models": {name: state.phase for name, state in engine.models.items()},
                "recent": engine.recent.to_json(),
            }
            for engine in self.engines
        ]

    @property
    def restarts(self) -> int:
        """Of all replicas together."""
        return sum(max(0, engine.restarts) for engine in self.engines)

    @property
    def stats(self) -> EngineStats:
        """What finished requests cost, over all replicas."""
        total = EngineStats()
        for engine in self.engines:
            total.add(engine.stats)
        return total

    @property
    def merging(self) -> dict[str, Any]:
        """What is known of merging, by model; of several replicas the first that knows anything."""
        return {name: report for engine in reversed(self.engines) for name, report in engine.merging.items()}

    @property
    def is_advancing(self) -> bool:
        """False while a call anywhere has exceeded its budget; the engine process that hangs is killed soon."""
        return all(engine.is_advancing for engine in self.engines)

    def submit(self, request: RenderRequest, listener: Tell | None = None) -> Future[Rendered]:
        """Send a request where it will be finished first; see EngineProcess.submit.

        Raises:
            EngineUnavailable: no replica is ready for the model.
        """
        state = self._state(request.model)
        defaults = {**state.card.get("defaults", {}), **state.row.defaults}
        work = Work(request.model, pixel_steps(request.parameters, defaults))
        with self._lock:
            engine = self._choose(work)
            self._placed[request.request_id] = Placed(engine, work)
        try:
            future = engine.submit(request, listener)
        except EngineUnavailable:
            with self._lock:
                del self._placed[request.request_id]
            raise
        is_whole = request.checkpoint is None
        future.add_done_callback(lambda done: self._ended(request.request_id, done, learns=is_whole))
        return future

    def cancel(self, request_id: str) -> None:
        """Drop a request, wherever it is; see EngineProcess.cancel."""
        if placed := self._placed.get(request_id):
            placed.engine.cancel(request_id)

    def hand_back(self, request_id: str) -> None:
        """Save a request and drop it, wherever it is; see EngineProcess.hand_back."""
        if placed := self._placed.get(request_id):
            placed.engine.hand_back(request_id)

    def change(self, action: Action, model: str) -> None:
        """Ask every replica that is there; see EngineProcess.change.

        Raises:
            EngineUnavailable: none is.
        """
        living = [engine for engine in self.engines if engine.process_id is not None]
        if not living:
            raise EngineUnavailable("No engine process is there now.")
        for engine in living:
            engine.change(action, model)

    def reload(self, row: ModelRow) -> None:
        """Have every replica load the model of this name as the row says; until then it takes no requests.

        Raises:
            Misconfigured: it cannot have a replica on each device. EngineUnavailable: no engine process is there.
        """
        check_devices(self._devices, [row])
        for engine, device in zip_longest(self.engines, self._devices):
            state = engine.models[row.name]
            state.row = replace(row, device=device or row.device)
            if state.phase in SERVING:
                state.phase = "reloading"
        self.change(Action.RELOAD, row.name)

    def position(self, request_id: str) -> Position | None:
        """Where a request stands; see EngineProcess.position."""
        placed = self._placed.get(request_id)
        return placed.engine.position(request_id) if placed else None

    def _state(self, name: str) -> ModelState:
        states = [engine.models[name] for engine in self.engines]
        best = min(
            states, key=lambda state: SERVING.index(state.phase) if state.phase in SERVING else len(SERVING)
        )
        devices = dict.fromkeys(state.device for state in states if state.device)
        errors = [state.error for state in states if state.error]
        return replace(best, device=", ".join(devices), error=errors[0] if errors else None)

    def _choose(self, work: Work) -> EngineProcess:
        ready = [index for index, engine in enumerate(self.engines) if work.model in engine.ready_models]
        if not ready:
            raise EngineUnavailable(f"Model `{work.model}` is not ready in this worker.")
        return self.engines[ready[earliest([self._seen(index, work.model) for index in ready], work)]]

    def _seen(self, index: int, model: str) -> Replica:
        """What is known of a replica by whoever wants this model of it."""
        engine = self.engines[index]
        state = engine.models[model]
        bring_seconds = 0.0 if state.phase == "ready" else state.bring_seconds
        return Replica(self._queue(engine), self._speeds[index], bring_seconds)

    def _queue(self, engine: EngineProcess) -> list[Work]:
        """What is left of the requests in an engine, as far as it has told."""
        left = []
        for request_id, placed in self._placed.items():
            if placed.engine is engine:
                position = engine.position(request_id)
                done = position.step / position.steps if position and position.steps else 0.0
                left.append(Work(placed.work.model, placed.work.pixel_steps * (1 - done)))
        return left

    def _ended(self, request_id: str, future: Future[Rendered], *, learns: bool) -> None:
        with self._lock:
            placed = self._placed.pop(request_id, None)
            if placed is None or future.exception() is not None or not learns:
                return
            speeds, model = self._speeds[self.engines.index(placed.engine)], placed.work.model
            spent = future.result().metrics.get("device_seconds", 0.0)
            if spent > 0:
                speeds[model] = learned(speeds.get(model), spent, placed.work.pixel_steps)


def check_devices(devices: Sequence[str], rows: Sequence[ModelRow]) -> None:
    """Raises Misconfigured where these rows cannot have a replica on each of these devices."""
    twice = next((device for device in devices if device != "cpu" and devices.count(device) > 1), None)
    if twice is not None:
        raise Misconfigured(
            f"`devices`: {twice} is named twice.", field="devices", value=list(devices), remedy="Name it once."
        )
    for row in rows:
        spanned = ranks_of(row.parallel_config, row.num_gpus)
        if devices and spanned > 1:
            raise Misconfigured(
                f"`devices`: model `{row.name}` spans {spanned} devices by itself.",
                field="devices",
                value=list(devices),
                remedy="Leave `devices` out and start one worker per group of devices.",
            )
