"""Twins: stand-ins for a pipeline's components that park the current fiber when called.

A twin is an instance of a dynamic subclass with the module's own `__dict__`, so `isinstance`, `.config`, `.dtype`,
properties and context managers are those of the module; no pipeline notices. Weights are shared, never copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from workers.stepping.fiber import ComponentCall, Fiber

#: Methods, besides calling the module, that run it as a whole.
WHOLE_METHODS = ("encode", "decode")


def make_twin(component: str, module: nn.Module) -> nn.Module:
    """A twin of `module`, which the pipeline knows as `component`. Outside any fiber it acts as the module."""
    kind = type(module)
    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__call__": _interceptor(component, module, "__call__"),
        "__reduce_ex__": lambda _self, protocol: module.__reduce_ex__(protocol),
        "__deepcopy__": lambda twin, _memo: twin,
    }
    if kind.__module__.startswith("diffusers."):
        for method in WHOLE_METHODS:
            if callable(getattr(kind, method, None)):
                namespace[method] = _interceptor(component, module, method)
    twin_kind = type(kind.__name__, (kind,), namespace)
    twin: nn.Module = object.__new__(twin_kind)
    object.__setattr__(twin, "__dict__", module.__dict__)
    return twin


def _interceptor(component: str, module: nn.Module, method: str) -> Callable[..., Any]:
    # One parameter tells: a cast changes them all, and `module.dtype` would walk the whole module at every call.
    witness = next(module.parameters(), None)
    dtype_at_rest = None if witness is None else witness.dtype

    def intercepted(_twin: nn.Module, *args: Any, **kwargs: Any) -> Any:
        call = ComponentCall(component, module, method, args, kwargs)
        fiber = Fiber.current()
        # A pipeline that casts a shared module for one call (the SDXL decoder in half precision) casts it back
        # afterwards: until then nobody else may run, so the call does not park.
        if fiber is None or (witness is not None and witness.dtype != dtype_at_rest):
            return call.run()
        return fiber.call(call)

    intercepted.__name__ = method
    return intercepted
