"""What an object is to a checkpoint: a plain value, a tensor, something to take apart, or something to keep.

The walk over a request's state asks here and nowhere else. What is not listed is OPAQUE: it is never written to a
file, and the resumed run goes on with its own.
"""

from __future__ import annotations

import enum
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, DiffusionPipeline
from diffusers.utils import BaseOutput
from PIL import Image
from torch import nn
from transformers.utils import ModelOutput

from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.clone import STATEFUL


class Kind(enum.StrEnum):
    """What becomes of an object."""

    SCALAR = "scalar"
    CONSTANT = "constant"  # written as text: dtypes, devices, sizes, enum members
    TENSOR = "tensor"
    GENERATOR = "generator"
    ARRAY = "array"
    IMAGE = "image"
    LIST = "list"
    TUPLE = "tuple"
    DICT = "dict"
    SET = "set"
    OUTPUT = "output"  # diffusers' and transformers' ordered dictionaries with attributes
    RECORD = "record"  # an object that is its __dict__
    OPAQUE = "opaque"


SCALARS = (type(None), bool, int, float, str)
EXACT: dict[type, Kind] = {
    **dict.fromkeys(SCALARS, Kind.SCALAR),
    **dict.fromkeys(
        (torch.dtype, torch.device, torch.Size, torch.memory_format, torch.layout, range, slice, bytes, complex),
        Kind.CONSTANT,
    ),
    torch.Tensor: Kind.TENSOR,
    nn.Parameter: Kind.TENSOR,
    torch.Generator: Kind.GENERATOR,
    list: Kind.LIST,
    deque: Kind.LIST,
    tuple: Kind.TUPLE,
    set: Kind.SET,
    frozenset: Kind.SET,
}
#: Packages whose objects may be taken apart, beside that of the pipeline's own class.
OPEN_PACKAGES = ("diffusers", "transformers.cache_utils", "workers.stepping.protocol", "workers.engine.request")


@dataclass(frozen=True)
class Kinds:
    """Tells kinds for one pipeline: `package` is its class's; `own` are its request copies, by id."""

    package: str
    own: frozenset[int] = frozenset()

    def of(self, value: Any) -> Kind:
        """The kind of an object."""
        kind = EXACT.get(type(value))
        if kind is not None:
            return kind if kind is not Kind.SET or all(type(item) in SCALARS for item in value) else Kind.OPAQUE
        if type(value) in (dict, OrderedDict):
            return Kind.DICT if all(type(key) in SCALARS for key in value) else Kind.OPAQUE
        return self._of_class(value)

    def _of_class(self, value: Any) -> Kind:
        if isinstance(value, BaseOutput | ModelOutput):
            return Kind.OUTPUT
        if isinstance(value, Image.Image):
            return Kind.IMAGE if value.mode in ("1", "L", "RGB", "RGBA", "F", "I") else Kind.OPAQUE
        if isinstance(value, np.ndarray | np.generic):
            return Kind.ARRAY if not value.dtype.hasobject else Kind.OPAQUE
        if isinstance(value, enum.Enum | torch.Size):
            return Kind.CONSTANT
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return Kind.TUPLE
        return Kind.RECORD if self._is_record(value) else Kind.OPAQUE

    def _is_record(self, value: Any) -> bool:
        if id(value) in self.own or isinstance(value, STATEFUL | DiffusionPipeline):
            return True
        if isinstance(value, type | nn.Module | ConfigMixin | dict | list | tuple) or not hasattr(
            value, "__dict__"
        ):
            return False
        return self.may_open(type(value).__module__)

    def may_open(self, module: str) -> bool:
        """Whether objects of this module's classes may be taken apart and made."""
        return any(
            module == name or module.startswith(f"{name}.") for name in (*OPEN_PACKAGES, self.package) if name
        )

    def class_named(self, name: str) -> type:
        """A class by the name that `class_name` gave; only classes that are here already.

        Raises:
            Refused: it may not be opened, or is not here.
        """
        module, _, qualname = name.partition(":")
        found: Any = sys.modules.get(module) if self.may_open(module) or module in PLAIN else None
        for part in qualname.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, type) or issubclass(found, nn.Module):
            raise Refused(f"there is no class {name} to make")
        return found


#: Modules of ordinary classes that may be named as well.
PLAIN = ("builtins", "collections", "transformers.modeling_outputs")


def class_name(value: Any) -> str:
    """Names an object's class in a file."""
    return f"{type(value).__module__}:{type(value).__qualname__}"


def children(value: Any, kind: Kind) -> Iterator[tuple[Any, Any]]:
    """What an object is made of, by key or place; nothing for leaves."""
    if kind in (Kind.LIST, Kind.TUPLE):
        yield from enumerate(value)
    elif kind in (Kind.DICT, Kind.OUTPUT):
        yield from value.items()
    elif kind is Kind.RECORD:
        yield from vars(value).items()
