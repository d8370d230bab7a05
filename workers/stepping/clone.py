"""A request's own shallow copy of the loaded pipeline: shared weights, private state.

Pipelines keep state on `self` inside their loop (91 of the classes studied), step a scheduler that remembers, and
free shared hooks when any one finishes. The copy takes all that away from its neighbours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

from workers.stepping.twins import make_twin

try:
    from diffusers.guiders import BaseGuidance
except ImportError:  # diffusers before guiders
    BaseGuidance = SchedulerMixin

#: What remembers from step to step; each request has its own.
STATEFUL = SchedulerMixin | BaseGuidance
#: Told `(step, steps)` of the request's denoising loop.
OnStep = Callable[[int, int], None]


class StepCounter:
    """Takes the place of a pipeline's progress bar: counts, prints nothing."""

    def __init__(self, iterable: Iterable[Any] | None, total: int | None, on_step: OnStep) -> None:
        self._iterable = iterable
        self.total = total if total is not None else len(iterable) if hasattr(iterable, "__len__") else 0  # type: ignore[arg-type]
        self.n = 0
        self._on_step = on_step
        on_step(0, self.total)

    def __iter__(self) -> Iterator[Any]:
        assert self._iterable is not None
        for item in self._iterable:
            yield item
            self.update()

    def __enter__(self) -> StepCounter:
        return self

    def __exit__(self, *_exc: object) -> None:
        return None

    def update(self, count: int = 1) -> None:
        self.n += count
        self._on_step(self.n, self.total)

    def set_postfix(self, *_args: Any, **_kwargs: Any) -> None:
        """Part of the progress bar's surface; shown nowhere."""

    set_description = set_postfix
    set_postfix_str = set_postfix
    close = set_postfix


class PipelineCloner:
    """Makes request copies of one loaded pipeline; the twins are made once and serve every request."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._twins: dict[int, nn.Module] = {}
        self.modules: dict[str, nn.Module] = {}
        self._find_modules(pipeline, prefix="", seen=set())

    @property
    def twins(self) -> dict[str, nn.Module]:
        """The stand-ins for the modules, by the same names."""
        return {name: self._twins[id(module)] for name, module in self.modules.items()}

    def clone(self, on_step: OnStep) -> Any:
        """A copy for one request. `on_step` follows its denoising loop."""
        return self._clone(self._pipeline, on_step, {})

    def _find_modules(self, pipeline: Any, prefix: str, seen: set[int]) -> None:
        seen.add(id(pipeline))
        for name, value in (vars(pipeline) | vars(pipeline).get("_modules", {})).items():
            if isinstance(value, nn.Module) and id(value) not in self._twins:
                self._twins[id(value)] = make_twin(prefix + name, value)
                self.modules[prefix + name] = value
            elif isinstance(value, DiffusionPipeline) and id(value) not in seen:
                self._find_modules(value, f"{prefix}{name}.", seen)

    def _clone(self, pipeline: Any, on_step: OnStep, memo: dict[int, Any]) -> Any:
        if id(pipeline) in memo:
            return memo[id(pipeline)]
        clone = object.__new__(type(pipeline))
        memo[id(pipeline)] = clone
        # Not through __setattr__: diffusers would write each component into the shared configuration.
        clone.__dict__.update({name: self._own(value, on_step, memo) for name, value in vars(pipeline).items()})

        def progress_bar(
            iterable: Iterable[Any] | None = None, total: int | None = None, **_looks: Any
        ) -> StepCounter:
            return StepCounter(iterable, total, on_step)

        if "_modules" in clone.__dict__:  # a pipeline that is itself a module keeps its components there
            parts = clone.__dict__["_modules"].items()
            clone.__dict__["_modules"] = {name: self._own(part, on_step, memo) for name, part in parts}
        # Freeing hooks at one request's end would reset every neighbour in flight.
        clone.__dict__.update(progress_bar=progress_bar, maybe_free_model_hooks=lambda: None)
        return clone

    def _own(self, value: Any, on_step: OnStep, memo: dict[int, Any]) -> Any:
        if isinstance(value, nn.Module):
            return self._twins.get(id(value), value)
        if isinstance(value, DiffusionPipeline):
            return self._clone(value, on_step, memo)
        if isinstance(value, STATEFUL):
            if id(value) not in memo:
                memo[id(value)] = _own_state(value)
            return memo[id(value)]
        if type(value) in (list, dict, set):
            return copy.copy(value)
        return value


def _own_state(value: Any) -> Any:
    """A deep copy at a quarter of its time: tensors are cloned, and what a configuration holds is shared."""
    memo: dict[int, Any] = {id(held): held.clone() for held in vars(value).values() if type(held) is torch.Tensor}
    config = value.config
    # Its attributes are: a scheduler keeps the shift there that it worked out for a size.
    memo[id(config)] = own = type(config)(config)
    vars(own).update(vars(config))
    return copy.deepcopy(value, memo)
