"""Plain record objects among arguments and outputs: a model's own key-value cache, say, is merged part by part.

Only objects of diffusers' classes that hold nothing but tensors, plain values and containers of these count; what
a model writes into one is noticed, and such a call is never run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def is_record(value: Any) -> bool:
    """Whether an object may be taken apart and put together again by its attributes."""
    if not type(value).__module__.startswith("diffusers.") or isinstance(value, nn.Module | dict | list | tuple):
        return False
    return hasattr(value, "__dict__") and all(_is_part(part) for part in vars(value).values())


def rebuild(record: Any, parts: Mapping[str, Any]) -> Any:
    """A record of the same class with other parts."""
    made = object.__new__(type(record))
    vars(made).update(parts)
    return made


def written(value: Any) -> list[int]:
    """The identities of everything reachable in a record: they change when somebody writes into it."""
    if isinstance(value, torch.Tensor):
        return [id(value)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in written(item)]
    if is_record(value):
        return [found for part in vars(value).values() for found in written(part)]
    return [hash(value) if isinstance(value, int | float | str | bool | None) else id(value)]


def _is_part(part: Any) -> bool:
    if isinstance(part, list | tuple):
        return all(_is_part(item) for item in part)
    return part is None or isinstance(part, torch.Tensor | int | float | str | bool) or is_record(part)
