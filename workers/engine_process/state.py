"""What the worker knows of its engine process: models, requests in it, and what they cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import structlog

from workers.engine_process.messages import Rendered, RenderRequest, Tell
from workers.engine_process.spool import SpoolFile
from workers.registry import ModelRow

log = structlog.get_logger(__name__)

#: Phases in which a model takes requests. "waking" is on its way back to the device.
SERVING = ("ready", "waking", "asleep", "unloaded")
#: Phases in which a model's weights move, which has a time budget of its own.
MOVING = ("starting", "loading", "waking")


class LatestPreview:
    """The newest small picture of one request. The engine's reader puts, a slot takes; the rest is removed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: SpoolFile | None = None
        self._is_closed = False

    def put(self, file: SpoolFile) -> None:
        """Replace what nobody took."""
        with self._lock:
            old, self._file = (file, None) if self._is_closed else (self._file, file)
        if old is not None:
            old.remove()

    def take(self) -> SpoolFile | None:
        """The picture, in the taker's care; None if there is no new one."""
        with self._lock:
            file, self._file = self._file, None
        return file

    def close(self) -> None:
        """The request ended: no more pictures."""
        with self._lock:
            self._is_closed = True
        if (file := self.take()) is not None:
            file.remove()


@dataclass(frozen=True)
class Position:
    """Where a request stands: its lane and `step` of `steps`, as the engine last told, and how it looks."""

    lane: str
    step: int = 0
    steps: int = 0
    preview: LatestPreview = field(default_factory=LatestPreview, compare=False, repr=False)


@dataclass
class ModelState:
    """One model in the engine process. `phase` is starting, loading, reloading, failed, or one of SERVING.

    `bring_seconds` is how long it last took to get it onto the device.
    """

    row: ModelRow
    phase: str = "starting"
    card: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    bring_seconds: float = 0.0
    _moves_since: float = 0.0

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in what the engine process says of this model."""
        match message["kind"]:
            case "phase":
                self.phase, self._moves_since = message["phase"], time.monotonic()
            case "ready":
                self.bring_seconds = time.monotonic() - self._moves_since
                self.card, self.device = message["card"], message["device"]
                self.versions, self.error = message["versions"], None
                self.phase = "ready"
            case "load_failed":
                self.error, self.phase = message["error"]["message"], "failed"
                log.error("model does not load", model=self.row.name, **message["error"])


@dataclass
class Pending:
    """A request in the engine process. `listener` is told of its checkpoints, whose files are then in its care."""

    request: RenderRequest
    future: Future[Rendered]
    position: Position | None = None
    preview: LatestPreview = field(default_factory=LatestPreview)
    listener: Tell | None = None

    def end(self, outcome: Rendered | Exception) -> None:
        """Tell whoever waits; input files that the engine did not read go."""
        for file in self.request.spool_files:
            file.remove()
        self.preview.close()
        if isinstance(outcome, Rendered):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


def hear(pending: Pending | None, message: Mapping[str, Any]) -> None:
    """Take in what the engine process says of a request; None: it has ended, and its files have no owner."""
    if pending is not None and message["kind"] == "progress":
        pending.position = Position(message["lane"], message["step"], message["steps"], pending.preview)
    elif pending is not None and message["kind"] == "preview":
        pending.preview.put(SpoolFile.from_json(message["file"]))
    elif pending is not None and pending.listener is not None:
        pending.listener(message)
    elif "file" in message:
        SpoolFile.from_json(message["file"]).remove()


@dataclass
class EngineStats:
    """What finished requests cost since the worker began: denoise calls, and forwards that served them."""

    requests: int = 0
    calls: int = 0
    calls_saved: int = 0
    forwards: float = 0.0
    max_batch: int = 0

    def count(self, metrics: Mapping[str, Any]) -> None:
        self.requests += 1
        self.calls += metrics.get("calls", 0)
        self.calls_saved += metrics.get("calls_saved", 0)
        self.forwards += metrics.get("forwards", 0.0)
        self.max_batch = max(self.max_batch, metrics.get("max_batch", 0))

    def add(self, other: EngineStats) -> None:
        self.requests += other.requests
        self.calls += other.calls
        self.calls_saved += other.calls_saved
        self.forwards += other.forwards
        self.max_batch = max(self.max_batch, other.max_batch)


def budget_seconds(models: Mapping[str, ModelState], executing: Set[str]) -> float:
    """The longest silence that is no hang: while anything loads, that; else one call of the executing models."""
    loading = [state.row for state in models.values() if state.phase in MOVING]
    if loading:
        return max(row.load_budget_seconds for row in loading)
    rows = [state.row for name, state in models.items() if name in executing or not executing]
    return max(row.call_budget_seconds for row in rows)
