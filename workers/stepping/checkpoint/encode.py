"""A request's live objects as plain JSON nodes and byte blobs: the saving half of a checkpoint's graph.

A value is a JSON scalar or `{"n": index}` of a node. Tensors on one storage share a blob, so that views stay
views; what a resumed run makes itself is a path of the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from workers.stepping.checkpoint.baseline import Baseline, storage_id
from workers.stepping.checkpoint.constants import constant_node
from workers.stepping.checkpoint.kinds import Kind, Kinds, children, class_name
from workers.stepping.checkpoint.refusal import Refused

Json = Any


@dataclass
class Encoder:
    """One walk. `parts` names the pipeline's components by the ids of their modules."""

    kinds: Kinds
    baseline: Baseline
    parts: Mapping[int, str]
    nodes: list[dict[str, Json]] = field(default_factory=list)
    _known: dict[int, int] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)
    _tensors: list[tuple[torch.Tensor, dict[str, Json]]] = field(default_factory=list)
    _bytes: list[torch.Tensor] = field(default_factory=list)
    _graphs: list[tuple[str, torch.Tensor]] = field(default_factory=list)

    def value(self, value: Any, path: str) -> Json:
        """The JSON of a value found at `path`.

        Raises:
            Refused: it holds what no file can.
        """
        kind = self.kinds.of(value)
        if kind is Kind.SCALAR and not (isinstance(value, float) and not math.isfinite(value)):
            return value
        index = self._known.get(id(value))
        if index is None:
            index = len(self.nodes)
            self._known[id(value)] = index
            self._kept.append(value)
            node: dict[str, Json] = {}
            self.nodes.append(node)
            node.update(self._node(value, kind, path, node))
        return {"n": index}

    def blobs(self) -> list[torch.Tensor]:
        """Copies of all bytes that the nodes refer to, flat uint8 tensors where they were. Call it once, last.

        Raises:
            Refused: an autograd graph would be needed.
        """
        for path, tensor in self._graphs:
            # A graph whose beginnings are gone is of no use to anybody: its end is a plain tensor.
            if any(id(leaf) in self._known for leaf in leaves_of(tensor)):
                raise Refused(f"{path} is part of an autograd graph")
        groups: dict[int, list[tuple[torch.Tensor, dict[str, Json]]]] = {}
        for tensor, node in self._tensors:
            groups.setdefault(storage_id(tensor), []).append((tensor, node))
        made = list(self._bytes)
        for members in groups.values():
            spans = [_span(tensor) for tensor, _node in members]
            start, end = min(first for first, _last in spans), max(last for _first, last in spans)
            for (_tensor, node), (first, _last) in zip(members, spans, strict=True):
                node.update(blob=len(made), byte=first - start)
            made.append(_copied(members[0][0], start, end))
        return made

    def _node(self, value: Any, kind: Kind, path: str, node: dict[str, Json]) -> dict[str, Json]:
        if (name := self.parts.get(id(value))) is not None:
            return {"k": "part", "name": name}
        known = self.baseline.path_of(value)
        match kind:
            case Kind.TENSOR:
                return self._tensor(value, known, path, node)
            case Kind.OPAQUE | Kind.IMAGE | Kind.ARRAY if known and self.baseline.is_unchanged(value):
                return {"k": "same", "path": known}
            case Kind.OPAQUE:
                return {"k": "opaque", "class": class_name(value)}
            case Kind.SCALAR | Kind.CONSTANT:
                return constant_node(value)
            case Kind.GENERATOR:
                state = {"device": value.device.type, "blob": self._blob(value.get_state())}
                return {"k": "generator", "into": known, **state}
            case Kind.ARRAY:
                content = torch.frombuffer(bytearray(value.tobytes()), dtype=torch.uint8)
                facts = {"dtype": value.dtype.str, "shape": list(value.shape), "scalar": value.ndim == 0}
                return {"k": "array", **facts, "blob": self._blob(content)}
            case Kind.IMAGE:
                content = torch.frombuffer(bytearray(value.tobytes()), dtype=torch.uint8)
                return {"k": "image", "mode": value.mode, "size": list(value.size), "blob": self._blob(content)}
            case Kind.SET:
                return {"k": "set", "class": class_name(value), "members": sorted(value, key=repr)}
        items = [[key, self.value(child, f"{path}/{key}")] for key, child in children(value, kind)]
        return {"k": kind.value, "class": class_name(value), "into": known, "items": items}

    def _blob(self, content: torch.Tensor) -> int:
        self._bytes.append(content.clone())
        return len(self._bytes) - 1

    def _tensor(self, value: torch.Tensor, known: str | None, path: str, node: dict[str, Json]) -> dict[str, Json]:
        if known is not None and self.baseline.is_unchanged(value):
            return {"k": "same", "path": known}
        if value.layout is not torch.strided or value.is_quantized or value.is_conj() or value.is_neg():
            raise Refused(f"{path} is a tensor of an unusual layout")
        if value.grad_fn is not None:
            self._graphs.append((path, value))
        facts = {
            "dtype": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
            "stride": list(value.stride()),
            "device": value.device.type,
            "grad": value.requires_grad and value.grad_fn is None,
        }
        if known is None and (viewed := self.baseline.viewed(value)) is not None:
            return {"k": "view", "path": viewed, "offset": value.storage_offset(), **facts}
        self._tensors.append((value, node))
        return {"k": "tensor", "into": known, **facts}


def leaves_of(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors from which a tensor's autograd graph was begun, weights of models left out."""
    seen, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and not isinstance(leaf, nn.Parameter):
            yield leaf
        waiting.extend(following for following, _number in node.next_functions)


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The bytes of its storage that a tensor reaches, from and to."""
    first = int(tensor.storage_offset())
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    last = first + (reach + 1 if tensor.numel() else 0)
    return first * tensor.element_size(), last * tensor.element_size()


def _copied(tensor: torch.Tensor, start: int, end: int) -> torch.Tensor:
    raw = torch.empty(0, dtype=torch.uint8, device=tensor.device)
    return raw.set_(tensor.untyped_storage(), start, (end - start,), (1,)).clone()
