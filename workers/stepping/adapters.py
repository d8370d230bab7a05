"""Which LoRA adapters act while a request runs: a part of its fiber's ambient state, as attention processors are.

Adapters are peft layers inside modules that all requests share. Each adds to the layer under it what its list of
active names and their scalings say.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Peft's names of the adapters that requests bring begin so. A name is never used twice.
OUR_ADAPTERS = "omni_lora_"


@dataclass(frozen=True, eq=False)
class Activation:
    """Adapters in force together: peft's names in order, and their scalings in each layer that has them.

    `keys` and `kinds` are by module id and hold only modules that the adapters touch: which adapters act there and
    how strongly, and by which kinds of layers.
    """

    switch: AdapterSwitch
    names: list[str] = field(default_factory=list)
    scalings: Sequence[tuple[Any, Mapping[str, float]]] = ()
    keys: Mapping[int, Hashable] = field(default_factory=dict)
    kinds: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def install(self) -> None:
        """Put these adapters in force, and no others."""
        self.switch.to(self)

    def key(self, module: Any) -> Hashable:
        """What must be equal for calls of this module to share a forward; None where no adapter acts."""
        return self.keys.get(id(module))

    def kind(self, module: Any) -> tuple[str, ...]:
        """What a proof of merging is about: by what layers adapters act in this module, not which adapters."""
        return self.kinds.get(id(module), ())


class AdapterSwitch:
    """Turns adapters on and off in the layers, only when others are wanted than those in force.

    A layer that has nothing to add hands its calls to the layer under it: two microseconds for a request without
    adapters, and twenty if peft finds that out by itself. Attributes are written directly, since peft's
    `set_adapter` walks all parameters of all adapters in each layer.
    """

    def __init__(self) -> None:
        self.off = Activation(self)
        self._in_force = self.off

    def to(self, wanted: Activation) -> None:
        """Put these in force."""
        if wanted is self._in_force:
            return
        for layer, _ in self._in_force.scalings:
            _silence(layer)
        for layer, scalings in wanted.scalings:
            state = vars(layer)
            state.pop("forward", None)
            state["_active_adapter"] = wanted.names
            state["scaling"].update(scalings)
        self._in_force = wanted

    def renew(self, layers: Sequence[Any]) -> None:
        """Adapters came or went, or peft was asked to activate some: these are the layers now, and all are off."""
        for layer in layers:
            _silence(layer)
        self._in_force = self.off


def _silence(layer: Any) -> None:
    state = vars(layer)
    state["_active_adapter"] = []
    state["forward"] = state["_modules"]["base_layer"]
