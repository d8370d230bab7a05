"""How a module's method is called: its signature, and binding a call to it quickly, for `leaves`."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from workers.stepping.fiber import ComponentCall


@dataclass(frozen=True, slots=True)
class Interface:
    """The signature of a module class's method without `self`.

    `positional` are the parameters that may be given by place, `required` those that have no default; `forms` are
    the forms of calls met so far, by their facts (see `forms`).
    """

    signature: inspect.Signature
    positional: tuple[str, ...]
    required: frozenset[str]
    forms: dict[Hashable, Any] = field(default_factory=dict)

    def bind(self, call: ComponentCall) -> inspect.BoundArguments:
        """`signature.bind`, at a fifth of its time for the usual call: nothing missing, doubled or gathered.

        Raises:
            TypeError: the method does not take these arguments.
        """
        names, given = self.signature.parameters, call.kwargs
        if call.args:
            placed = dict(zip(self.positional, call.args, strict=False))
            if len(placed) < len(call.args) or not placed.keys().isdisjoint(given):
                return self.signature.bind(*call.args, **given)
            given = placed | given
        if not (given.keys() <= names.keys() and self.required <= given.keys()):
            return self.signature.bind(*call.args, **call.kwargs)
        return inspect.BoundArguments(self.signature, {name: given[name] for name in names if name in given})


def kind_of(module: Any) -> type:
    """The class whose method is called; `torch.compile` wraps a module in one that takes anything."""
    return type(getattr(module, "_orig_mod", module))


def interface_of(kind: type, method: str) -> Interface:
    """The interface of a module class; models are called positionally and by name."""
    if (kind, method) not in _interfaces:
        function = getattr(kind, "forward" if method == "__call__" else method)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        # A gathering parameter has no default: whoever has one is bound the long way.
        required = frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)
        by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        positional = tuple(parameter.name for parameter in parameters if parameter.kind in by_place)
        _interfaces[kind, method] = Interface(inspect.Signature(parameters), positional, required)
    return _interfaces[kind, method]


_interfaces: dict[tuple[type, str], Interface] = {}
