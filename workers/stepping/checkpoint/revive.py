"""Nodes and blobs back into live objects, written into those of the resumed run wherever it has them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers.stepping.checkpoint.baseline import Baseline
from workers.stepping.checkpoint.constants import constant
from workers.stepping.checkpoint.kinds import Kinds, class_name
from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.checkpoint.storages import Storages, geometry, raw_bytes, strided

Json = Any
Node = dict[str, Any]
MISSING = object()


class Reviver:
    """`match` every saved value with what the run has in its place; then `value` gives the restored objects."""

    def __init__(
        self,
        nodes: Sequence[Node],
        blobs: Sequence[torch.Tensor],
        kinds: Kinds,
        baseline: Baseline,
        parts: Mapping[str, Any],
    ) -> None:
        self._nodes = nodes
        self._blobs = blobs
        self._kinds = kinds
        self._baseline = baseline
        self._parts = parts
        self._existing: dict[int, Any] = {}
        self._made: dict[int, Any] = {}

    def match(self, value: Json, existing: Any) -> None:
        """Note what stands where this value was."""
        if not isinstance(value, dict) or existing is MISSING:
            return
        index = value["n"]
        node = self._nodes[index]
        if node.get("into"):
            existing = self._baseline.at(node["into"])
        if index in self._existing:
            return
        self._existing[index] = existing
        if "items" in node and _is_alike(existing, node):
            parts = _parts_of(existing, node["k"])
            for key, child in node["items"]:
                self.match(child, parts.get(key, MISSING))

    def value(self, value: Json) -> Any:
        """The restored object.

        Raises:
            Refused: the run has nothing, or something else, where only its own would do.
        """
        if not isinstance(value, dict):
            return value
        index = value["n"]
        if index not in self._made:
            node = self._nodes[index]
            self._made[index] = MAKERS[node["k"]](self, index, node, self._existing.get(index, MISSING))
        return self._made[index]

    def is_equal(self, value: Json, existing: Any) -> bool:
        """Whether what stands in a value's place is bit for bit what was saved; tensors and plain values alone."""
        if not isinstance(value, dict):
            return type(value) is type(existing) and bool(value == existing)
        node = self._nodes[value["n"]]
        if node["k"] == "same":
            return existing is self._baseline.at(node["path"])
        if node["k"] == "tensor" and isinstance(existing, torch.Tensor):
            saved = self._storages.saved(node)
            return geometry(existing)[:2] == geometry(saved)[:2] and raw_bytes(saved) == raw_bytes(existing)
        return node["k"] in ("part", "opaque", "constant")

    @cached_property
    def _storages(self) -> Storages:
        kept = [self._baseline.at(node["path"]) for node in self._nodes if node["k"] in ("same", "view")]
        kept_tensors = [one for one in kept if isinstance(one, torch.Tensor)]
        return Storages(self._nodes, self._blobs, self._existing, kept_tensors)

    def _children(self, node: Node) -> dict[Any, Any]:
        return {key: self.value(child) for key, child in node["items"]}

    def _part(self, _index: int, node: Node, _existing: Any) -> Any:
        if node["name"] not in self._parts:
            raise Refused(f"the pipeline has no component {node['name']}")
        return self._parts[node["name"]]

    def _same(self, _index: int, node: Node, _existing: Any) -> Any:
        found = self._baseline.at(node["path"])
        if found is None:
            raise Refused(f"{node['path']} is not there any more")
        return found

    def _opaque(self, _index: int, node: Node, existing: Any) -> Any:
        if not _is_alike(existing, node):
            raise Refused(f"a {node['class']} cannot be made again")
        return existing

    def _constant(self, _index: int, node: Node, _existing: Any) -> Any:
        return constant(node, self._kinds)

    def _view(self, index: int, node: Node, existing: Any) -> torch.Tensor:
        like = self._same(index, node, existing)
        return strided(like, node, node["offset"] * like.element_size())

    def _tensor(self, index: int, node: Node, _existing: Any) -> torch.Tensor:
        return self._storages.tensor(index, node)

    def _generator(self, _index: int, node: Node, existing: Any) -> torch.Generator:
        generator = existing if isinstance(existing, torch.Generator) else torch.Generator(node["device"])
        generator.set_state(self._blobs[node["blob"]].cpu())
        return generator

    def _array(self, _index: int, node: Node, _existing: Any) -> Any:
        content = raw_bytes(self._blobs[node["blob"]])
        array = np.frombuffer(content, node["dtype"]).reshape(node["shape"])
        return array[()] if node["scalar"] else array.copy()

    def _image(self, _index: int, node: Node, _existing: Any) -> Image.Image:
        return Image.frombytes(node["mode"], tuple(node["size"]), raw_bytes(self._blobs[node["blob"]]))

    def _set(self, _index: int, node: Node, _existing: Any) -> Any:
        return self._kinds.class_named(node["class"])(node["members"])

    def _list(self, index: int, node: Node, existing: Any) -> Any:
        made = existing if _is_alike(existing, node) else self._kinds.class_named(node["class"])()
        self._made[index] = made
        items = list(self._children(node).values())
        if len(made) != len(items):
            made.clear()
            made.extend(items)
        for place, item in enumerate(items):
            made[place] = item
        return made

    def _tuple(self, _index: int, node: Node, existing: Any) -> Any:
        items = list(self._children(node).values())
        is_alike = _is_alike(existing, node)
        if is_alike and len(existing) == len(items) and all(map(operator.is_, existing, items)):
            return existing
        kind: Any = type(existing) if is_alike else self._kinds.class_named(node["class"])
        return kind._make(items) if hasattr(kind, "_fields") else kind(items)

    def _dict(self, index: int, node: Node, existing: Any) -> Any:
        made = existing if _is_alike(existing, node) else self._kinds.class_named(node["class"])()
        self._made[index] = made
        items = self._children(node)
        if list(made) != list(items):
            made.clear()
        made.update(items)
        return made

    def _output(self, _index: int, node: Node, existing: Any) -> Any:
        items = self._children(node)
        if not _is_alike(existing, node):
            kind: Any = self._kinds.class_named(node["class"])
            return kind(**items)
        for key, item in items.items():
            existing[key] = item
        return existing

    def _record(self, index: int, node: Node, existing: Any) -> Any:
        is_alike = _is_alike(existing, node)
        made = existing if is_alike else object.__new__(self._kinds.class_named(node["class"]))
        self._made[index] = made
        items, state = self._children(node), vars(made)
        for key in [key for key in state if key not in items]:
            del state[key]
        state.update(items)
        return made


#: How each kind of node is made.
MAKERS: dict[str, Callable[[Reviver, int, Node, Any], Any]] = {
    "part": Reviver._part,
    "same": Reviver._same,
    "opaque": Reviver._opaque,
    "constant": Reviver._constant,
    "view": Reviver._view,
    "tensor": Reviver._tensor,
    "generator": Reviver._generator,
    "array": Reviver._array,
    "image": Reviver._image,
    "set": Reviver._set,
    "list": Reviver._list,
    "tuple": Reviver._tuple,
    "dict": Reviver._dict,
    "output": Reviver._output,
    "record": Reviver._record,
}


def _is_alike(existing: Any, node: Node) -> bool:
    return existing is not MISSING and class_name(existing) == node["class"]


def _parts_of(existing: Any, kind: str) -> dict[Any, Any]:
    if kind in ("list", "tuple"):
        return dict(enumerate(existing))
    return dict(vars(existing) if kind == "record" else existing)
