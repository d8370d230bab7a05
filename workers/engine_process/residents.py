"""The models of one engine process: which are on the device, and who waits for one that is not.

The main thread loads and moves; `submit`, `cancel` and `ask` may be called from another. A request for a model
that is not on the device waits here while `residency` makes room, and so do requests for whoever has to leave.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from omni_jobs.errors import DeadlineExceeded, EngineUnavailable
from workers.engine.engine import DiffusionEngine
from workers.engine.request import OmniDiffusionRequest
from workers.engine_process.errors import error_json
from workers.engine_process.messages import Tell
from workers.engine_process.residency import Action, Budget, Holding, Move, Place, Plan, fill, plan, trim
from workers.engine_process.resident import Resident, check_fits
from workers.engine_process.served import ServedModel
from workers.footprint import foreseen_bytes
from workers.registry import ModelRow

log = structlog.get_logger(__name__)

#: The phase that the worker is told when a model's weights are somewhere.
PHASES = {Place.HOST: "asleep", Place.NOWHERE: "unloaded"}

Load = Callable[[ModelRow, Sequence[Mapping[str, Any]]], tuple[DiffusionEngine, ServedModel]]
Fail = Callable[[str, BaseException], None]


class Residents:
    """All models of the process. `load` makes one; `tell` informs the worker; `fail` ends a request."""

    def __init__(self, rows: Sequence[ModelRow], budget: Budget, load: Load, tell: Tell, fail: Fail) -> None:
        self._models = {row.name: Resident(row, foreseen_bytes(row)) for row in rows}
        self._budget = budget
        self._load, self._tell, self._fail = load, tell, fail
        self._lock = threading.RLock()
        self._asked: list[Move] = []
        self._leaving: frozenset[str] = frozenset()
        self._is_undecided = False

    def load_all(self) -> bool:
        """Load every model once, so that its card, its size and its faults are known; False if none loads."""
        for name in self._models:
            self._carry_out(plan(Action.LOAD, name, self._holdings(), self._budget), name)
        if self._budget.device_bytes is not None:
            self._carry_out(fill(self._holdings(), self._budget))
        return any(model.served is not None for model in self._models.values())

    @property
    def engines(self) -> list[DiffusionEngine]:
        """The engines of models on the device."""
        return [one.engine for one in self._models.values() if one.engine and one.place is Place.DEVICE]

    def reports(self) -> dict[str, Any]:
        """By model on the device, what its runner knows of merging; a simulated device merges nothing."""
        loaded = {name: one.engine for name, one in self._models.items() if one.engine is not None}
        found = {name: one.collective_rpc("merge_report", unique_reply_rank=0) for name, one in loaded.items()}
        return {name: report for name, report in found.items() if report is not None}

    def served(self, name: str) -> ServedModel:
        """How a model is called, on the device or not. Raises EngineUnavailable if it never loaded."""
        served = self._models[name].served
        if served is None:
            raise EngineUnavailable(f"Model `{name}` is not loaded in this worker.")
        return served

    def submit(self, name: str, request: OmniDiffusionRequest) -> None:
        """Hand a request to its model's engine, now or as soon as it is on the device."""
        model = self._models[name]
        with self._lock:
            model.last_used = time.monotonic()
            stays = not self._is_undecided and name not in self._leaving
            if model.engine is not None and model.place is Place.DEVICE and stays:
                model.engine.submit(request)
                return
            if not model.waiting:
                # Until it is known who must leave for it, nobody overtakes.
                model.waits_since, self._is_undecided = model.last_used, True
            model.waiting[request.request_id] = request

    def cancel(self, name: str, request_id: str, *, saves: bool = False) -> bool:
        """Drop a request, saved first if asked. True if it was waiting here, and so has ended."""
        model = self._models[name]
        with self._lock:
            if model.waiting.pop(request_id, None) is not None:
                return True
            if model.engine is not None:
                (model.engine.hand_back if saves else model.engine.cancel)(request_id)
            return False

    def ask(self, action: Action, name: str, row: ModelRow) -> None:
        """Somebody wants this done with a model, when it can be. To reload it means to load it as `row` says."""
        with self._lock:
            if action is Action.RELOAD:
                self._models[name].next_row = row
            self._asked.append(Move(action, name))

    def settle(self) -> bool:
        """Do what was asked, or make room for whoever waits, if that can be done now. True if anything was."""
        self._drop_expired()
        with self._lock:  # all of it: a request that comes between would be overtaken
            asked = self._asked[0] if self._asked else None
            wanted = asked or self._longest_waiting()
            decided = plan(wanted.action, wanted.name, self._holdings(), self._budget) if wanted else Plan()
            self._leaving, self._is_undecided = decided.leaving, False
        for model in self._models.values():
            if model.waiting and model.row.name not in self._leaving:
                self._release(model)
        if wanted is None or decided.waits_for:
            return False
        if asked is not None:
            with self._lock:
                self._asked.remove(asked)
        self._carry_out(decided, wanted.name)
        return True

    def close(self) -> None:
        """End the processes of models on several devices, and wait for them; from any thread, the last call."""
        for engine in [one.engine for one in self._models.values() if one.engine is not None]:
            engine.executor.abandon()

    def _holdings(self) -> list[Holding]:
        with self._lock:
            return [one.holding() for one in self._models.values()]

    def _longest_waiting(self) -> Move | None:
        with self._lock:
            waiting = [one for one in self._models.values() if one.waiting]
            first = min(waiting, key=lambda one: one.waits_since, default=None)
        return Move(Action.LOAD, first.row.name) if first else None

    def _drop_expired(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [
                model.waiting.pop(request.request_id)
                for model in self._models.values()
                for request in tuple(model.waiting.values())
                if (request.deadline or now) < now
            ]
        for request in late:
            self._fail(request.request_id, DeadlineExceeded("The deadline passed before the model was ready."))

    def _carry_out(self, decided: Plan, wanted: str | None = None) -> None:
        """Make the moves; a model that cannot be brought fails what waits for it."""
        if decided.refusal is not None and wanted is not None:
            self._give_up(self._models[wanted], EngineUnavailable(f"`{wanted}` does not fit: {decided.refusal}."))
        for move in decided.moves:
            model = self._models[move.name]
            if move.action is Action.RELOAD:
                self._reload(model)
            elif move.action in (Action.LOAD, Action.WAKE):
                self._bring(model)
            elif not self._take_away(model, move.action):
                return  # somebody submitted meanwhile: plan again

    def _reload(self, model: Resident) -> None:
        """Free a model and load it as its next row says. Who waits was read for the old one, and asks again."""
        with self._lock:
            requests, model.waiting = list(model.waiting), {}
            keeps_engine = model.take_next_row()
        for request_id in requests:
            self._fail(request_id, EngineUnavailable(f"Model `{model.row.name}` is being reloaded."))
        if not keeps_engine:
            self._drop(model)
        self._bring(model)

    def _bring(self, model: Resident) -> None:
        self._say(model, "loading" if model.served is None else "waking")
        try:
            if model.engine is None:
                model.engine, model.served = self._load(model.row, model.rules)
            elif model.served is None:
                model.engine.re_init_pipeline(model.row.custom_pipeline_args or {})
                model.served = ServedModel.of(model.row, model.engine)
            else:
                model.engine.collective_rpc("wake_up", unique_reply_rank=0)
            model.size_bytes = model.served.description.weight_bytes
            check_fits(model.size_bytes, self._budget)
        except Exception as error:  # noqa: BLE001  a model that does not load must not take the others along
            self._drop(model)
            self._give_up(model, error)
            return
        assert model.served is not None
        model.place, model.last_used = Place.DEVICE, time.monotonic()
        gc.freeze()  # a full collection of what these libraries hold stops every job for half a second
        self._tell({"kind": "ready", "model": model.row.name, **model.served.description.facts})
        self._carry_out(trim(self._holdings(), self._budget))

    def _take_away(self, model: Resident, action: Action) -> bool:
        """Sleep or unload a model; False if it is not at rest."""
        with self._lock:
            if model.engine is None or model.is_busy:
                return model.engine is None
            model.place = Place.HOST if action is Action.SLEEP else Place.NOWHERE
        if action is Action.UNLOAD or not self._sleeps(model):
            model.rules = model.engine.collective_rpc("proven_rules", unique_reply_rank=0) or model.rules
            self._drop(model)
        self._say(model, PHASES[model.place])
        return True

    def _sleeps(self, model: Resident) -> bool:
        """Put a model to sleep; False if it cannot."""
        assert model.engine is not None
        try:
            model.engine.collective_rpc("sleep", unique_reply_rank=0)
        except Exception as error:  # noqa: BLE001  a model that cannot sleep is unloaded instead
            log.warning("model cannot sleep and is unloaded", model=model.row.name, error=str(error))
            return False
        return True

    def _drop(self, model: Resident) -> None:
        engine, model.engine, model.place = model.engine, None, Place.NOWHERE
        if engine is not None:
            engine.close()
        gc.unfreeze()
        gc.collect()

    def _release(self, model: Resident) -> None:
        """Submit what waited for a model that is on the device now."""
        with self._lock:
            if model.engine is None or model.place is not Place.DEVICE:
                return
            requests, model.waiting = list(model.waiting.values()), {}
            for request in requests:
                model.engine.submit(request)

    def _give_up(self, model: Resident, error: BaseException) -> None:
        self._tell({"kind": "load_failed", "model": model.row.name, "error": error_json(error)})
        with self._lock:
            requests, model.waiting = list(model.waiting), {}
        for request_id in requests:
            self._fail(request_id, EngineUnavailable(f"Model `{model.row.name}` cannot be loaded: {error}"))

    def _say(self, model: Resident, phase: str) -> None:
        self._tell({"kind": "phase", "model": model.row.name, "phase": phase})
