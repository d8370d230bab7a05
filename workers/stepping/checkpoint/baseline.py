"""What a request's state held at its first denoiser call, by path: up to there, a resumed run makes it itself.

What is still the same object, and was not written to, is saved as its path.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from workers.stepping.checkpoint.kinds import Kind, Kinds, children
from workers.stepping.contents import version_of

#: Kinds that a baseline remembers; the others are taken apart, or written down.
REMEMBERED = (Kind.TENSOR, Kind.GENERATOR, Kind.ARRAY, Kind.IMAGE, Kind.RECORD, Kind.OPAQUE)


@dataclass(frozen=True, slots=True)
class Known:
    """An object's path, the object (weak or not), and what changes when somebody writes to it."""

    path: str
    reference: Any
    mark: Any


class Baseline:
    """See the module. `holds`: it keeps the objects alive, as a run that is being restored needs."""

    def __init__(self, roots: Mapping[str, Any], kinds: Kinds, holds: bool = False) -> None:
        self._kinds = kinds
        self._holds = holds
        self._by_id: dict[int, Known] = {}
        self._by_path: dict[str, Known] = {}
        self._by_storage: dict[int, Known] = {}
        self._seen: set[int] = set()
        for name, value in roots.items():
            self._visit(value, name)

    def path_of(self, value: Any) -> str | None:
        """Where this object was, if it was there; written to or not."""
        known = self._by_id.get(id(value))
        return known.path if known is not None and known.reference() is value else None

    def is_unchanged(self, value: Any) -> bool:
        """Whether an object that was there has not been written to, as far as objects tell."""
        known = self._by_id[id(value)]
        return known.mark is not None and known.mark == _mark(value)

    def viewed(self, value: torch.Tensor) -> str | None:
        """The path of an unwritten tensor that shares its storage with this one."""
        known = self._by_storage.get(storage_id(value))
        tensor = None if known is None else known.reference()
        if known is None or tensor is None or storage_id(tensor) != storage_id(value):
            return None
        return known.path if known.mark is not None and known.mark == _mark(tensor) else None

    def at(self, path: str) -> Any:
        """The object that was at a path, or None."""
        known = self._by_path.get(path)
        return None if known is None else known.reference()

    def release(self) -> None:
        """Keep nothing alive any more."""
        self._by_path = {path: _weakly(known) for path, known in self._by_path.items()}
        self._by_id = {id_: self._by_path[known.path] for id_, known in self._by_id.items()}
        self._by_storage = {id_: self._by_path[known.path] for id_, known in self._by_storage.items()}

    def _visit(self, value: Any, path: str) -> None:
        kind = self._kinds.of(value)
        if kind in (Kind.SCALAR, Kind.CONSTANT) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if kind in REMEMBERED:
            self._remember(value, kind, path)
        for key, child in children(value, kind):
            self._visit(child, f"{path}/{key}")

    def _remember(self, value: Any, kind: Kind, path: str) -> None:
        try:
            weakly = weakref.ref(value)
        except TypeError:  # it cannot be referred to weakly: it is never recognised
            return
        known = Known(path, (lambda: value) if self._holds else weakly, _mark(value))
        self._by_id[id(value)] = self._by_path[path] = known
        if kind is Kind.TENSOR:
            self._by_storage.setdefault(storage_id(value), known)


def _weakly(known: Known) -> Known:
    return Known(known.path, weakref.ref(known.reference()), known.mark)


def storage_id(value: torch.Tensor) -> int:
    """Names a tensor's storage while it lives."""
    return int(value.untyped_storage()._cdata)


def _mark(value: Any) -> Any:
    """Changes when somebody writes to the object; None if nobody can tell."""
    if isinstance(value, torch.Tensor):
        return version_of(value)
    if type(value).__module__ == "numpy":
        return hashlib.blake2b(value.tobytes()).digest()
    return ()
