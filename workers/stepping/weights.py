"""Whether a module's weights are still those of before: the encode cache must notice who loads, replaces or edits.

Walking a module costs a hundred microseconds and more. So the walk is remembered, and each time only compared with
what its dictionaries hold now.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from workers.stepping.contents import version_of


@dataclass(frozen=True, slots=True)
class Walk:
    """The dictionaries of a module's parts, and which parts they held when it was walked."""

    modules: list[dict[str, nn.Module | None]]
    parameters: list[dict[str, torch.Tensor | None]]
    parts: list[Any]

    @classmethod
    def through(cls, module: nn.Module) -> Walk:
        found = list(module.modules())
        modules = [part._modules for part in found if part._modules]
        parameters: list[Any] = [part._parameters for part in found if part._parameters]
        return cls(modules, parameters, held_by(modules))


def held_by(modules: list[dict[str, nn.Module | None]]) -> list[Any]:
    """The parts in these dictionaries."""
    return [part for held in modules for part in held.values()]


class Weights:
    """An identity of each module's parameters."""

    def __init__(self) -> None:
        self._walks: WeakKeyDictionary[nn.Module, Walk] = WeakKeyDictionary()

    def of(self, module: nn.Module) -> Hashable:
        """Equal as long as nobody has put another parameter or part into the module, or written into one."""
        walk = self._walks.get(module)
        if walk is None or walk.parts != held_by(walk.modules):
            walk = self._walks[module] = Walk.through(module)
        parameters = [value for held in walk.parameters for value in held.values() if value is not None]
        return hash((tuple(map(id, parameters)), tuple(map(version_of, parameters))))
