"""How a module's method is called: its signature, and binding a call to it quickly, for `leaves`."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from workers.stepping.fiber import ComponentCall


class Interface(NamedTuple):
    """The signature of a module class's method without `self`, and the parameters that have no default."""

    signature: inspect.Signature
    required: frozenset[str]

    def bind(self, call: ComponentCall) -> inspect.BoundArguments:
        """`signature.bind`, at a fifth of its time for the usual call: all by name, none missing or gathered.

        Raises:
            TypeError: the method does not take these arguments.
        """
        names, given = self.signature.parameters, call.kwargs
        if call.args or not (given.keys() <= names.keys() and self.required <= given.keys()):
            return self.signature.bind(*call.args, **given)
        return inspect.BoundArguments(self.signature, {name: given[name] for name in names if name in given})


def interface_of(kind: type, method: str) -> Interface:
    """The interface of a module class; models are called positionally and by name."""
    if (kind, method) not in _interfaces:
        function = getattr(kind, "forward" if method == "__call__" else method)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        # A gathering parameter has no default: whoever has one is bound the long way.
        required = frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)
        _interfaces[kind, method] = Interface(inspect.Signature(parameters), required)
    return _interfaces[kind, method]


_interfaces: dict[tuple[type, str], Interface] = {}
