"""The step cache of one request: answers denoise calls from the request's own past ones, where its policy allows.

A call that is answered here does not join a forward, so neighbours go on being batched. Nothing is kept on a
module or shared between requests, and all of it goes when the request ends. The runner asks whenever a call parks.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch.utils import _pytree as pytree

from workers.engine.calls import Lane
from workers.stepping.ambient import RandomState
from workers.stepping.cache_policies import CachePolicy, Place
from workers.stepping.cached_calls import (
    ComputedCall,
    TensorEvidence,
    Tensors,
    alike,
    copied,
    magnitude,
    predicted,
    sample_of,
)
from workers.stepping.fiber import ComponentCall, RunHere
from workers.stepping.forwards import argument_versions
from workers.stepping.leaves import Description, Role
from workers.stepping.lockstep import ALONE, Lockstep
from workers.stepping.plan import PendingCall
from workers.stepping.records import is_record


@dataclass
class Slot:
    """The calls that follow each other: the same place within a step, the same plain arguments, the same text."""

    signature: Hashable
    known: list[ComputedCall] = field(default_factory=list)
    previous: Tensors = ()
    spent: float = 0.0
    skipped: int = 0
    is_closed: bool = False


@dataclass(frozen=True)
class Skip:
    """A call that need not run: the errors spent if it does not, and what it gives instead."""

    spent: float
    output: Any


class StepCache:
    """Made for one request. `saved` counts the calls answered; the ranks of one model answer the same ones."""

    def __init__(self, policy: CachePolicy, lockstep: Lockstep = ALONE) -> None:
        self._policy = policy
        self._lockstep = lockstep
        self._slots: dict[Hashable, Slot] = {}
        self._loop = (0, 0)
        self._calls_in_step: dict[Hashable, int] = {}
        self._asked: tuple[Slot, int, Tensors] | None = None
        self._magnitudes: list[torch.Tensor] = []
        self.saved = 0

    def report(self) -> dict[str, Any]:
        """What an output's metrics tell of it: `calls_saved` and, if it was measured, the curve of `mag_cache`."""
        if not self._magnitudes:
            return {"calls_saved": self.saved}
        sizes = torch.stack(self._magnitudes).tolist()
        ratios = [later / before for before, later in pairwise(sizes)]
        return {"calls_saved": self.saved, "mag_ratios": [1.0, *ratios]}

    def answer(self, call: PendingCall, step: int, steps: int) -> Any:
        """The call's output if the policy lets it be skipped, else None. `step` of `steps` iterations are done."""
        self._asked = None
        if call.lane is not Lane.DENOISE or is_unrepeatable(call):
            return None
        self._follow_loop(step, steps)
        slot = self._slot(call)
        try:
            with torch.no_grad():
                skip = self._skip(slot, sample_of(call.description), step, steps)
        except torch.OutOfMemoryError:
            # What it holds is more useful to the forward that would fail next.
            self._slots.clear()
            self._asked, skip = None, None
        if not self._lockstep.everywhere(skip is not None) or skip is None:
            return None
        self._asked = None
        slot.spent, slot.skipped = skip.spent, slot.skipped + 1
        self.saved += 1
        return skip.output

    def watched(self, call: PendingCall, answer: Any, shared: bool) -> Any:
        """The engine's answer to a call that was not skipped, so that its output is remembered.

        What a proof ran alone is left out: it may draw random numbers, which only the next run would show.
        """
        if self._asked is None:
            return answer
        if isinstance(answer, RunHere):
            return RunHere(lambda component_call: self._run(call, component_call))
        if shared:
            try:
                self._remember(answer)
            except torch.OutOfMemoryError:
                self._slots.clear()
        return answer

    def _run(self, call: PendingCall, component_call: ComponentCall) -> Any:
        """Inside the fiber: run the call, and close its slot if skipping it would leave something undone."""
        assert self._asked is not None
        slot = self._asked[0]
        random, versions = RandomState.capture(), argument_versions(call.description)
        output = component_call.run()
        if RandomState.capture().differs(random) or versions != argument_versions(call.description):
            slot.is_closed, slot.known = True, []
        else:
            self._remember(output)
        return output

    def _follow_loop(self, step: int, steps: int) -> None:
        """Count calls within a step; a loop that begins anew has nothing to do with the one before."""
        before, self._loop = self._loop, (step, steps)
        if step < before[0] or steps != before[1]:
            self._slots.clear()
        if self._loop != before:
            self._calls_in_step.clear()

    def _slot(self, call: PendingCall) -> Slot:
        """The slot of a call, emptied if its arguments say that it is not the same one any more."""
        name = (call.call.component, call.call.method)
        place = self._calls_in_step[name] = self._calls_in_step.get(name, 0) + 1
        signature = (call.structure, _text_identity(call.description))
        slot = self._slots.get((name, place))
        if slot is None or slot.signature != signature:
            slot = self._slots[name, place] = Slot(signature)
        return slot

    def _skip(self, slot: Slot, sample: Tensors, step: int, steps: int) -> Skip | None:
        """What skipping the call would mean, or None; its sample is remembered either way."""
        if slot.is_closed:
            return None
        evidence = TensorEvidence(slot.known, slot.previous, sample)
        slot.previous = copied(sample)
        self._asked = slot, step, slot.previous
        if not slot.known or not alike(sample, slot.known[-1].sample):
            slot.known = []
            return None
        place = Place(step, steps, slot.known[-1].step, slot.skipped)
        spent = self._policy.spent_after_skip(place, slot.spent, evidence)
        return None if spent is None else Skip(spent, predicted(slot.known, self._policy, sample, step))

    def _remember(self, output: Any) -> None:
        assert self._asked is not None
        slot, step, sample = self._asked
        self._asked = None
        leaves, tree = pytree.tree_flatten(output)
        if not all(isinstance(leaf, torch.Tensor) and leaf.is_floating_point() for leaf in leaves):
            slot.is_closed, slot.known = True, []
            return
        known = ComputedCall(step, sample, copied(leaves), tree)
        if slot.known and not known.is_like(slot.known[-1]):
            slot.known = []
        if self._policy.estimate is None and slot is next(iter(self._slots.values())):
            self._magnitudes.append(magnitude(known.reused(self._policy.reuse)))
        # Two are needed for the rate of change, whatever is reused.
        slot.known = [*slot.known, known][-max(2, self._policy.order + 1) :]
        slot.spent, slot.skipped = 0.0, 0


def is_unrepeatable(call: PendingCall) -> bool:
    """Whether a call takes what only the model understands (a generator, a cache that it fills), or whether its
    pipeline has set attention processors that keep something for it to read."""
    given = call.description.bound.arguments.values()
    kept = (value for processor in call.fiber.ambient.processors or () for value in vars(processor).values())
    return (
        call.description.opaque is not None
        or any(is_record(value) for value in given)
        or any(isinstance(value, torch.Tensor) for value in kept)
    )


def _text_identity(description: Description) -> Hashable:
    """Where the text of a call lies in memory: with and without a prompt are not the same call."""
    found = [leaf.value for leaf in description.leaves if leaf.role in (Role.TEXT, Role.SAMPLES)]
    texts = [item for value in found for item in (value if isinstance(value, list) else [value])]
    samples = {id(item) for item in sample_of(description)}
    return tuple(text.data_ptr() for text in texts if isinstance(text, torch.Tensor) and id(text) not in samples)
