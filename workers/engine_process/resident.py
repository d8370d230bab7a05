"""One model of an engine process: its row, its engine, where its weights are, and who waits for it.

`residents` keeps one of each model and moves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from omni_jobs.errors import OutOfMemory
from workers.engine.engine import DiffusionEngine
from workers.engine.request import OmniDiffusionRequest
from workers.engine_process.residency import Budget, Holding, Place
from workers.engine_process.served import ServedModel
from workers.registry import ModelRow


@dataclass
class Resident:
    """`engine` is None while the model is unloaded, `served` until it was loaded as its row says.

    `rules` are what it had proved when it was unloaded; `next_row` is how it is to be loaded anew.
    """

    row: ModelRow
    size_bytes: int | None = None
    engine: DiffusionEngine | None = None
    served: ServedModel | None = None
    place: Place = Place.NOWHERE
    last_used: float = 0.0
    rules: Sequence[Mapping[str, Any]] = ()
    waits_since: float = 0.0
    waiting: dict[str, OmniDiffusionRequest] = field(default_factory=dict)
    next_row: ModelRow | None = None

    @property
    def is_busy(self) -> bool:
        return self.engine is not None and not self.engine.is_idle

    def holding(self) -> Holding:
        """As the planner sees it."""
        can_sleep = self.served is not None and self.served.description.frees_by_sleeping
        return Holding(self.row.name, self.place, self.size_bytes, self.last_used, self.is_busy, can_sleep)

    def take_next_row(self) -> bool:
        """From now on it is what the next row says. True if its engine can be told so: only the class changes."""
        old, new = self.row, self.next_row or self.row
        self.row, self.next_row, self.served, self.rules = new, None, None, ()
        if self.engine is None or old.custom_pipeline_args is None or new.custom_pipeline_args is None:
            return False
        return old == replace(new, custom_pipeline_args=old.custom_pipeline_args, load_format=old.load_format)


def check_fits(size_bytes: int, budget: Budget) -> None:
    """Raises OutOfMemory for a model that is larger than the whole budget."""
    if budget.device_bytes is not None and size_bytes > budget.device_bytes:
        raise OutOfMemory(
            f"Its weights take {size_bytes} bytes, and the memory budget is {budget.device_bytes}.",
            remedy="Raise OMNI_MEMORY_BUDGET_BYTES, or load it in a smaller dtype.",
        )
