"""Immutable plain values that JSON does not know, as nodes and back."""

from __future__ import annotations

import enum
import math
from typing import Any

import torch

from workers.stepping.checkpoint.kinds import Kinds, class_name
from workers.stepping.checkpoint.refusal import Refused

Node = dict[str, Any]


def constant_node(value: Any) -> Node:
    """The node of a value of kind CONSTANT, or of a float that is no number.

    Raises:
        Refused: it is a range or slice of something unusual.
    """
    match value:
        case float():
            return _node("float", str(value))
        case enum.Enum():
            return _node("enum", [class_name(value), value.name])
        case torch.Size():
            return _node("size", list(value))
        case bytes():
            return _node("bytes", value.hex())
        case complex():
            return _node("complex", [value.real.hex(), value.imag.hex()])
        case range():
            return _node("range", [value.start, value.stop, value.step])
        case slice():
            parts = [value.start, value.stop, value.step]
            if not all(part is None or type(part) is int for part in parts):
                raise Refused("a slice has ends that are no numbers")
            return _node("slice", parts)
        case torch.device():
            return _node("device", value.type)
    return _node("torch", str(value).removeprefix("torch."))


def _node(kind: str, text: Any) -> Node:
    return {"k": "constant", "of": kind, "value": text}


def constant(node: Node, kinds: Kinds) -> Any:
    """The value of such a node.

    Raises:
        Refused: it is of an enumeration that may not be named.
    """
    value = node["value"]
    match node["of"]:
        case "float":
            return float(value) if value != "nan" else math.nan
        case "enum":
            kind: Any = kinds.class_named(value[0])
            return kind[value[1]]
        case "size":
            return torch.Size(value)
        case "bytes":
            return bytes.fromhex(value)
        case "complex":
            return complex(*map(float.fromhex, value))
        case "range":
            return range(*value)
        case "slice":
            return slice(*value)
        case "device":
            return torch.device(value)
    return getattr(torch, value)
