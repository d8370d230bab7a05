"""What a denoiser call returned, without its numbers: enough to answer the call with zeros in a resumed run."""

from __future__ import annotations

import zlib
from typing import Any

import torch

from workers.stepping.checkpoint.constants import constant, constant_node
from workers.stepping.checkpoint.kinds import Kind, Kinds, children, class_name
from workers.stepping.checkpoint.refusal import Refused

Json = Any


def hollow(value: Any, kinds: Kinds) -> Json:
    """The shape of an output as JSON; None if it holds an object that nobody can make."""
    try:
        return _hollow(value, kinds)
    except Refused:
        return None


def _hollow(value: Any, kinds: Kinds) -> Json:
    kind = kinds.of(value)
    match kind:
        case Kind.SCALAR | Kind.CONSTANT:
            return constant_node(value) if isinstance(value, float) or kind is Kind.CONSTANT else value
        case Kind.TENSOR:
            return {
                "k": "tensor",
                "dtype": str(value.dtype).removeprefix("torch."),
                "shape": list(value.shape),
                "stride": list(value.stride()),
                "device": value.device.type,
            }
        case Kind.LIST | Kind.TUPLE | Kind.DICT | Kind.OUTPUT | Kind.RECORD:
            items = [[key, _hollow(child, kinds)] for key, child in children(value, kind)]
            return {"k": kind.value, "class": class_name(value), "items": items}
    raise Refused(f"a denoiser returned a {class_name(value)}")


def stand_in(shape: Json, kinds: Kinds) -> Any:
    """An output of that shape, all its tensors zero."""
    if not isinstance(shape, dict):
        return shape
    if shape["k"] == "constant":
        return constant(shape, kinds)
    if shape["k"] == "tensor":
        sizes, strides = shape["shape"], shape["stride"]
        reach = 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        zeros = torch.zeros(max(reach, 0), dtype=getattr(torch, shape["dtype"]), device=shape["device"])
        return zeros.as_strided(sizes, strides)
    items = {key: stand_in(child, kinds) for key, child in shape["items"]}
    kind: Any = kinds.class_named(shape["class"])
    match shape["k"]:
        case "list" | "tuple":
            return kind._make(items.values()) if hasattr(kind, "_fields") else kind(items.values())
        case "dict":
            return kind(items)
        case "output":
            return kind(**items)
    made = object.__new__(kind)
    vars(made).update(items)
    return made


def outline(args: Any, kwargs: Any) -> int:
    """A number that differs when two calls are given tensors of different shapes."""
    return zlib.crc32(repr((_outline(args), _outline(kwargs))).encode())


def _outline(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.dtype, *value.shape
    if isinstance(value, list | tuple):
        return [_outline(item) for item in value]
    if isinstance(value, dict):
        return {key: _outline(item) for key, item in value.items()}
    return type(value).__name__
