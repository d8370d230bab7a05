"""Runs real modules for the runner: merged, alone as a fiber would, or alone with its sample nudged.

The prover calls these; each leaves the thread and the fibers' random states as it found them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from workers.stepping.ambient import Ambient, Modes, ProcessorOverlay
from workers.stepping.contents import version_of
from workers.stepping.leaves import Description
from workers.stepping.merging import Order, Unmergeable, call_arguments, merge, split, substituted
from workers.stepping.plan import PendingCall
from workers.stepping.records import is_record, written

#: What a model may raise when its arguments do not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


class Outcome(NamedTuple):
    """What a call returned, and what it left in the request's own attention processors by (index, name)."""

    output: Any
    traces: dict[tuple[int, str], torch.Tensor]


class SideEffects(Exception):
    """The call drew random numbers or wrote into its arguments; `outcome` is right all the same."""

    def __init__(self, reason: str, outcome: Outcome) -> None:
        super().__init__(reason)
        self.outcome = outcome


class Forwards:
    """Forwards of one pipeline's modules, whose attention processors `overlay` keeps apart."""

    def __init__(self, overlay: ProcessorOverlay) -> None:
        self._overlay = overlay

    def merged(
        self, group: Sequence[PendingCall], descriptions: Sequence[Description], order: Order
    ) -> list[Outcome]:
        """One forward for all calls of the group, under the modes and processors they have in common.

        Raises:
            Unmergeable: the arguments do not fit together, or the model refused them.
        """
        args, kwargs = call_arguments(merge(descriptions, order))
        call, ambient = group[0].call, group[0].fiber.ambient

        def forward() -> Any:
            with torch.inference_mode(ambient.modes.inference):
                ambient.modes.install()
                return getattr(call.module, call.method)(*args, **kwargs)

        hub = _hub(ambient, len(group))
        processors = hub.processors
        before = _tensors(processors)
        try:
            output = hub.run(self._overlay, forward)
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

    def altered(self, pending: PendingCall, description: Description) -> Outcome:
        """The call alone with the values that `description` holds; leaves no trace in the request."""
        args, kwargs = call_arguments(substituted(description))
        method, ambient = getattr(pending.call.module, pending.call.method), pending.fiber.ambient
        hub = _hub(ambient, 1)
        processors = hub.processors
        before = _tensors(processors)
        with torch.inference_mode(ambient.modes.inference):
            output = hub.run(self._overlay, lambda: method(*args, **kwargs))
        return Outcome(output, _new(before, _tensors(processors)))

    def nudged(self, pending: PendingCall) -> Outcome:
        """The call alone with its sample moved by half a unit in the last place: how rounding alone shows."""
        bound = copy.copy(pending.description.bound)
        bound.arguments = dict(bound.arguments)
        name = str(pending.description.primary[0])
        sample = bound.arguments.get(name)
        if not isinstance(sample, torch.Tensor) or not sample.is_floating_point():
            return Outcome(None, {})
        half_unit = torch.finfo(sample.dtype).eps / 2
        sign = torch.arange(sample.numel(), device=sample.device).reshape(sample.shape) % 2 * 2 - 1
        bound.arguments[name] = (sample.double() * (1 + half_unit * 1.01 * sign)).to(sample.dtype)
        args, kwargs = call_arguments(bound)
        method = getattr(pending.call.module, pending.call.method)
        return Outcome(pending.fiber.ambient.run(self._overlay, lambda: method(*args, **kwargs)), {})


def _hub(ambient: Ambient, calls: int) -> Ambient:
    """A state with a fiber's modes, processors and adapters, but not its random state, which is not moved."""
    modes = Modes(ambient.modes.grad, False, ambient.modes.autocast)
    return Ambient(modes, Ambient.capture().random, _widened(ambient.processors, calls), ambient.adapters)


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
