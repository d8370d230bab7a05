"""What the worker knows of its engine process: models, requests in it, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from workers.engine_process.messages import Rendered, RenderRequest
from workers.registry import ModelRow


@dataclass(frozen=True)
class Position:
    """Where a request stands: its lane and `step` of `steps`, as the engine last told."""

    lane: str
    step: int = 0
    steps: int = 0


@dataclass
class ModelState:
    """One model in the engine process. `phase` is starting, loading, ready or failed."""

    row: ModelRow
    phase: str = "starting"
    card: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass
class Pending:
    """A request in the engine process."""

    request: RenderRequest
    future: Future[Rendered]
    position: Position | None = None

    def end(self, outcome: Rendered | Exception) -> None:
        """Tell whoever waits; input files that the engine did not read go."""
        for file in self.request.spool_files:
            file.remove()
        if isinstance(outcome, Rendered):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


@dataclass
class EngineStats:
    """What finished requests cost since the worker began: denoise calls, and forwards that served them."""

    requests: int = 0
    calls: int = 0
    forwards: float = 0.0
    max_batch: int = 0

    def count(self, metrics: Mapping[str, Any]) -> None:
        self.requests += 1
        self.calls += metrics.get("calls", 0)
        self.forwards += metrics.get("forwards", 0.0)
        self.max_batch = max(self.max_batch, metrics.get("max_batch", 0))


def budget_seconds(models: Mapping[str, ModelState], executing: Set[str]) -> float:
    """The longest silence that is no hang: while anything loads, that; else one call of the executing models."""
    loading = [state.row for state in models.values() if state.phase in ("starting", "loading")]
    if loading:
        return max(row.load_budget_seconds for row in loading)
    rows = [state.row for name, state in models.items() if name in executing or not executing]
    return max(row.call_budget_seconds for row in rows)
