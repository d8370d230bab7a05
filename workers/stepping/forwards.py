"""Runs real modules for the runner: merged, alone as a fiber would, or alone with its sample nudged.

The prover calls these; each leaves the thread and the fibers' random states as it found them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from workers.stepping.ambient import Ambient, Modes, ProcessorOverlay, RandomState
from workers.stepping.contents import version_of
from workers.stepping.faults import REFUSALS, is_out_of_memory
from workers.stepping.leaves import Description
from workers.stepping.lockstep import ALONE, Lockstep
from workers.stepping.merging import Order, Unmergeable, call_arguments, merge, split, substituted
from workers.stepping.plan import PendingCall
from workers.stepping.records import is_record, written


class Outcome(NamedTuple):
    """What a call returned, and what it left in the request's own attention processors by (index, name)."""

    output: Any
    traces: dict[tuple[int, str], torch.Tensor]


class SideEffects(Exception):
    """The call drew random numbers or wrote into its arguments; `outcome` is right all the same."""

    def __init__(self, reason: str, outcome: Outcome) -> None:
        super().__init__(reason)
        self.outcome = outcome


class OwnFault(Exception):
    """A call fails by itself: it says nothing of how good calls merge."""


class Forwards:
    """Forwards of one pipeline's modules, whose attention processors `overlay` keeps apart.

    Of several ranks each makes the same ones, and none begins before all stand ready.
    """

    def __init__(self, overlay: ProcessorOverlay, lockstep: Lockstep = ALONE) -> None:
        self._overlay = overlay
        self.lockstep = lockstep

    def merged(
        self, group: Sequence[PendingCall], descriptions: Sequence[Description], order: Order
    ) -> list[Outcome]:
        """One forward for all calls of the group, under the modes and processors they have in common.

        Raises:
            Unmergeable: the arguments do not fit together, or the model refused them.
        """
        hub = _hub(group[0].fiber.ambient, len(group))
        processors = hub.processors
        before = _tensors(processors)
        merged = self.lockstep.attempt("merge", lambda: call_arguments(merge(descriptions, order)))
        try:
            output = self.lockstep.attempt("merged", lambda: self._from_hub(hub, group[0], *merged))
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            raise Unmergeable(f"the model refused the merged call: {str(error)[:120]}") from error
        kept = {key: split(value, order) for key, value in _new(before, _tensors(processors)).items()}
        return [
            Outcome(part, {key: parts[index] for key, parts in kept.items()})
            for index, part in enumerate(split(output, order))
        ]

    def alone(self, pending: PendingCall) -> Outcome:
        """The call as its fiber would run it, from outside the fiber.

        Raises:
            SideEffects: it must not run again; the outcome is right all the same.
        """
        self.lockstep.meet("alone")
        return self.lockstep.attempt("alone", lambda: self._alone(pending))

    def altered(self, pending: PendingCall, description: Description) -> Outcome:
        """The call alone with the values that `description` holds; leaves no trace in the request."""
        hub = _hub(pending.fiber.ambient, 1)
        processors = hub.processors
        before = _tensors(processors)
        arguments = self.lockstep.attempt("alter", lambda: call_arguments(substituted(description)))
        output = self.lockstep.attempt("altered", lambda: self._from_hub(hub, pending, *arguments))
        return Outcome(output, _new(before, _tensors(processors)))

    def nudged(self, pending: PendingCall) -> Outcome:
        """The call alone with its sample moved by half a unit in the last place: how rounding alone shows."""
        arguments = self.lockstep.attempt("nudge", lambda: nudged_arguments(pending.description))
        if arguments is None:
            return Outcome(None, {})
        method = getattr(pending.call.module, pending.call.method)
        args, kwargs = arguments
        run = pending.fiber.ambient.run
        return Outcome(
            self.lockstep.attempt("nudged", lambda: run(self._overlay, lambda: method(*args, **kwargs))), {}
        )

    def _alone(self, pending: PendingCall) -> Outcome:
        ambient, call = pending.fiber.ambient, pending.call
        random = ambient.random
        versions = argument_versions(pending.description)
        before = _tensors(ambient.processors)
        output = ambient.run(self._overlay, call.run_repeatably)
        outcome = Outcome(output, _new(before, _tensors(ambient.processors)))
        if ambient.random.differs(random):
            raise SideEffects("it draws random numbers", outcome)
        if versions != argument_versions(pending.description):
            raise SideEffects("it writes into its arguments", outcome)
        return outcome

    def _from_hub(self, hub: Ambient, pending: PendingCall, args: Any, kwargs: Any) -> Any:
        """The module of this call, run for several requests or with other values than the request's own."""
        method, modes = getattr(pending.call.module, pending.call.method), pending.fiber.ambient.modes

        def forward() -> Any:
            with torch.inference_mode(modes.inference):
                modes.install()
                return method(*args, **kwargs)

        return hub.run(self._overlay, forward)


def nudged_arguments(description: Description) -> tuple[Any, Any] | None:
    """The call's arguments with another rounding of its sample; None if it has no sample that is rounded."""
    bound = copy.copy(description.bound)
    bound.arguments = dict(bound.arguments)
    name = str(description.primary[0])
    sample = bound.arguments.get(name)
    if not isinstance(sample, torch.Tensor) or not sample.is_floating_point():
        return None
    half_unit = torch.finfo(sample.dtype).eps / 2
    sign = torch.arange(sample.numel(), device=sample.device).reshape(sample.shape) % 2 * 2 - 1
    bound.arguments[name] = (sample.double() * (1 + half_unit * 1.01 * sign)).to(sample.dtype)
    return call_arguments(bound)


def _hub(ambient: Ambient, calls: int) -> Ambient:
    """A state with a fiber's modes, processors and adapters, but not its random state, which is not moved."""
    modes = Modes(ambient.modes.grad, False, ambient.modes.autocast)
    return Ambient(modes, RandomState.capture(), _widened(ambient.processors, calls), ambient.adapters)


def _widened(processors: list[Any] | None, calls: int) -> list[Any] | None:
    """Copies of the first request's processors for a batch; one that counts the videos in it is told anew."""
    if processors is None:
        return None
    widened = [copy.copy(processor) for processor in processors]
    for processor in widened:
        if isinstance(getattr(processor, "batch_size", None), int):
            processor.batch_size *= calls
    return widened


Traces = dict[tuple[int, str], torch.Tensor]


def _tensors(processors: list[Any] | None) -> Traces:
    """The tensors that attention processors hold: some keep their attention maps for the pipeline to read."""
    return {
        (index, name): value
        for index, processor in enumerate(processors or ())
        for name, value in vars(processor).items()
        if isinstance(value, torch.Tensor)
    }


def _new(before: Traces, after: Traces) -> Traces:
    return {key: value for key, value in after.items() if before.get(key) is not value}


def argument_versions(description: Description) -> list[int | None]:
    """How often each tensor argument was written to (inference tensors do not tell), and what records hold."""
    values = [leaf.value for leaf in description.leaves if isinstance(leaf.value, torch.Tensor)]
    records = [
        found for value in description.bound.arguments.values() if is_record(value) for found in written(value)
    ]
    return [version_of(value) for value in values] + records
