"""The thread-wide state that a pipeline's Python relies on, saved and restored at every switch between fibers.

Grad mode, inference mode, autocast, the global random states, attention processors and LoRA adapters of the shared
modules would all leak from one request into another. This module is the only one that switches them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from workers.stepping.adapters import Activation

HAS_CUDA = torch.cuda.is_available()
#: Device types whose autocast state belongs to a fiber.
AUTOCAST_DEVICES = ("cpu", "cuda") if HAS_CUDA else ("cpu",)


@dataclass
class RandomState:
    """torch's global random generators. NumPy's is left out: saving it costs 75 us and no pipeline draws."""

    cpu: torch.Tensor
    cuda: list[torch.Tensor]

    @classmethod
    def capture(cls) -> RandomState:
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state_all() if HAS_CUDA else [])

    def install(self) -> None:
        torch.set_rng_state(self.cpu)
        for index, state in enumerate(self.cuda):
            torch.cuda.set_rng_state(state, index)

    def differs(self, other: RandomState) -> bool:
        """Whether a draw from torch's generators lies between the two."""
        pairs = zip([self.cpu, *self.cuda], [other.cpu, *other.cuda], strict=False)
        return any(mine.numpy().tobytes() != theirs.numpy().tobytes() for mine, theirs in pairs)


class Modes(NamedTuple):
    """The modes under which a forward runs; equal modes are part of what makes calls mergeable."""

    grad: bool
    inference: bool
    autocast: tuple[tuple[str, torch.dtype] | None, ...]

    @classmethod
    def capture(cls) -> Modes:
        autocast = [
            (device, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None
            for device in AUTOCAST_DEVICES
        ]
        return cls(torch.is_grad_enabled(), torch.is_inference_mode_enabled(), tuple(autocast))

    def install(self) -> None:
        """Set grad mode and autocast; inference mode is held by `Ambient`, it cannot simply be set."""
        torch._C._set_grad_enabled(self.grad)
        for device, setting in zip(AUTOCAST_DEVICES, self.autocast, strict=True):
            torch.set_autocast_enabled(device, setting is not None)
            if setting is not None:
                torch.set_autocast_dtype(device, setting[1])


class ProcessorOverlay:
    """Attention processors that pipelines swap on shared modules for the time of their call.

    `attentions` are the submodules that carry a `processor`. A fiber's own choice is put in place when it runs and
    taken away when it parks, so that the first request to finish does not restore for everybody.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._attentions = [
            part for module in modules for part in module.modules() if getattr(part, "processor", None) is not None
        ]
        self.baseline = self.snapshot()

    def snapshot(self) -> list[Any]:
        return [part.processor for part in self._attentions]

    def look_again(self) -> bool:
        """Take what the modules carry now for the usual; whether that is new. For when no fiber is alive."""
        usual, self.baseline = self.baseline, self.snapshot()
        return usual != self.baseline

    def install(self, processors: list[Any]) -> None:
        for part, processor in zip(self._attentions, processors, strict=True):
            if part.processor is not processor:
                set_processor(part, processor)

    def key(self, processors: list[Any] | None) -> Hashable:
        """What must be equal for calls to share a forward: the kinds of the processors and their plain state."""
        if processors is None:
            return None
        return tuple(
            (type(processor).__qualname__, _plain_state(processor))
            for processor, usual in zip(processors, self.baseline, strict=True)
            if processor is not usual
        )


def set_processor(part: nn.Module, processor: Any) -> None:
    """Put a processor on an attention module, whether it is itself a module or not."""
    if isinstance(part._modules.get("processor"), nn.Module) and not isinstance(processor, nn.Module):
        part._modules.pop("processor")
    part.processor = processor


def _plain_state(processor: Any) -> Hashable:
    # What a processor keeps from a call for its pipeline to read is no part of how it works.
    state = {name: value for name, value in vars(processor).items() if not isinstance(value, torch.Tensor | None)}
    simple = all(isinstance(value, int | float | str | bool) for value in state.values())
    if isinstance(processor, nn.Module) or not simple:
        return id(processor)
    return tuple(sorted(state.items(), key=lambda item: item[0]))


@dataclass
class Ambient:
    """One fiber's (or the hub's) whole thread-wide state. `processors` is None while they are the usual ones.

    `adapters` stay in force when a switch ends, for the next one that wants the same; None leaves them alone.
    """

    modes: Modes
    random: RandomState
    processors: list[Any] | None = None
    adapters: Activation | None = None
    _guard: Any = field(default=None, repr=False)

    @classmethod
    def capture(cls, fork_random: bool = False, adapters: Activation | None = None) -> Ambient:
        """The thread's present state; with `fork_random` its random state is a new stream drawn from it."""
        if not fork_random:
            return cls(Modes.capture(), RandomState.capture(), adapters=adapters)
        seed = int(torch.randint(2**31, ()).item())
        held = RandomState.capture()
        torch.manual_seed(seed)
        forked = cls(Modes.capture(), RandomState.capture(), adapters=adapters)
        held.install()
        return forked

    def keep(self, traces: dict[tuple[int, str], torch.Tensor]) -> None:
        """Put into this state's processors what they would have kept, had their call run alone."""
        for (index, name), value in traces.items():
            assert self.processors is not None
            setattr(self.processors[index], name, value)

    def run(self, overlay: ProcessorOverlay, switch: Callable[[], Any]) -> Any:
        """Call `switch` under this state; keep what the state has become; leave the thread as it was."""
        outer_modes, outer_random = Modes.capture(), RandomState.capture()
        if self._guard is not None:
            # Restores the inference mode in which the fiber parked: guards hold absolute states.
            self._guard.__exit__(None, None, None)
            self._guard = None
        self.modes.install()
        self.random.install()
        if self.processors is not None:
            overlay.install(self.processors)
        if self.adapters is not None:
            self.adapters.install()
        try:
            return switch()
        finally:
            self.modes = Modes.capture()
            self.random = RandomState.capture()
            current = overlay.snapshot()
            changed = current != overlay.baseline
            self.processors = current if changed else None
            if changed:
                overlay.install(overlay.baseline)
            if self.modes.inference and not outer_modes.inference:
                self._guard = torch._C._InferenceMode(False)
                self._guard.__enter__()
            outer_modes.install()
            outer_random.install()
