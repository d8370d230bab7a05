"""Runs real modules for the runner: merged, alone as a fiber would, or alone with its sample nudged.

The prover calls these; each leaves the thread and the fibers' random states as it found them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from workers.stepping.ambient import Ambient, Modes, ProcessorOverlay
from workers.stepping.leaves import Description
from workers.stepping.merging import Order, Unmergeable, call_arguments, merge, split
from workers.stepping.plan import PendingCall

#: What a model may raise when its arguments do not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


class SideEffects(Exception):
    """The call drew random numbers or wrote into its arguments; `output` is what it returned."""

    def __init__(self, reason: str, output: Any) -> None:
        super().__init__(reason)
        self.output = output


class Forwards:
    """Forwards of one pipeline's modules, whose attention processors `overlay` keeps apart."""

    def __init__(self, overlay: ProcessorOverlay) -> None:
        self._overlay = overlay

    def merged(self, group: Sequence[PendingCall], descriptions: Sequence[Description], order: Order) -> list[Any]:
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

        # A state of its own: the fibers' random states are neither used nor moved.
        hub = Ambient(Modes(ambient.modes.grad, False, ambient.modes.autocast), Ambient.capture().random)
        hub.processors = ambient.processors
        try:
            output = hub.run(self._overlay, forward)
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            raise Unmergeable(f"the model refused the merged call: {str(error)[:120]}") from error
        return split(output, order)

    def alone(self, pending: PendingCall) -> Any:
        """The call as its fiber would run it, from outside the fiber.

        Raises:
            SideEffects: it must not run again; the output is right all the same.
        """
        ambient, call = pending.fiber.ambient, pending.call
        random = ambient.random
        versions = _versions(pending.description)
        states = self._overlay.states(ambient.processors)
        output = ambient.run(self._overlay, call.run_repeatably)
        if ambient.random.differs(random):
            raise SideEffects("it draws random numbers", output)
        if versions != _versions(pending.description):
            raise SideEffects("it writes into its arguments", output)
        if states != self._overlay.states(ambient.processors):
            raise SideEffects("its attention processors keep what they saw", output)
        return output

    def nudged(self, pending: PendingCall) -> Any:
        """The call alone with its sample moved by half a unit in the last place: how rounding alone shows."""
        bound = copy.copy(pending.description.bound)
        bound.arguments = dict(bound.arguments)
        name = str(pending.description.primary[0])
        sample = bound.arguments.get(name)
        if not isinstance(sample, torch.Tensor) or not sample.is_floating_point():
            return None
        half_unit = torch.finfo(sample.dtype).eps / 2
        sign = torch.arange(sample.numel(), device=sample.device).reshape(sample.shape) % 2 * 2 - 1
        bound.arguments[name] = (sample.double() * (1 + half_unit * 1.01 * sign)).to(sample.dtype)
        args, kwargs = call_arguments(bound)
        method = getattr(pending.call.module, pending.call.method)
        return pending.fiber.ambient.run(self._overlay, lambda: method(*args, **kwargs))


def _versions(description: Description) -> list[int]:
    """How often each tensor argument has been written to; inference tensors do not tell."""
    values = [leaf.value for leaf in description.leaves if isinstance(leaf.value, torch.Tensor)]
    return [0 if value.is_inference() else value._version for value in values]
