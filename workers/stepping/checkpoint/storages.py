"""Saved bytes back into tensors: in place where the resumed run has a tensor that fits, else on new storages.

Writing in place matters: a loop's iterator, or an operand on the evaluation stack, may hold the very tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workers.stepping.checkpoint.baseline import storage_id

Node = dict[str, Any]
#: Stands for a storage that was written into the run's own tensors.
IN_PLACE = torch.empty(0)


class Storages:
    """The storages of one checkpoint. `existing` are the run's objects by node; `kept` tensors may not change."""

    def __init__(
        self,
        nodes: Sequence[Node],
        blobs: Sequence[torch.Tensor],
        existing: Mapping[int, Any],
        kept: Sequence[torch.Tensor],
    ) -> None:
        self._blobs = blobs
        self._existing = existing
        self._made: dict[int, torch.Tensor] = {}
        #: Storages that may not be written to: of what is kept, and of what is restored already.
        self._taken = {storage_id(one) for one in kept}
        self._members: dict[int, list[tuple[int, Node]]] = {}
        for index, node in enumerate(nodes):
            if node["k"] == "tensor":
                self._members.setdefault(node["blob"], []).append((index, node))

    def tensor(self, index: int, node: Node) -> torch.Tensor:
        """The restored tensor of a node."""
        blob = node["blob"]
        if blob not in self._made:
            self._made[blob] = self._restored(blob)
        if self._made[blob] is IN_PLACE:
            return self._existing[index]  # type: ignore[no-any-return]
        return strided(self._made[blob], node, node["byte"]).requires_grad_(node["grad"])

    def saved(self, node: Node) -> torch.Tensor:
        """A node's tensor as it was saved, for comparison."""
        return strided(self._blobs[node["blob"]], node, node["byte"])

    def _restored(self, blob: int) -> torch.Tensor:
        places = [(self._existing.get(index), node) for index, node in self._members[blob]]
        raw = self._blobs[blob]
        fits = all(self._fits(existing, node) for existing, node in places)
        # Views of one storage must be views of one storage here, too.
        if not fits or len({existing.data_ptr() - node["byte"] for existing, node in places}) > 1:  # type: ignore[union-attr]
            return raw.to(places[0][1]["device"], copy=True)
        for existing, node in places:
            with torch.no_grad():
                existing.copy_(strided(raw, node, node["byte"]))  # type: ignore[union-attr]
            self._taken.add(storage_id(existing))  # type: ignore[arg-type]
        return IN_PLACE

    def _fits(self, existing: Any, node: Node) -> bool:
        """Whether the saved tensor may be written into this one: the same geometry, and private to the request."""
        return (
            type(existing) is torch.Tensor
            and geometry(existing) == [node[name] for name in ("dtype", "shape", "stride", "device", "grad")]
            and existing.grad_fn is None
            and not (existing.is_inference() and not torch.is_inference_mode_enabled())
            and all(size == 1 or stride for size, stride in zip(existing.shape, existing.stride(), strict=True))
            and storage_id(existing) not in self._taken
        )


def geometry(tensor: torch.Tensor) -> list[Any]:
    """What a node tells of its tensor."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    return [dtype, list(tensor.shape), list(tensor.stride()), tensor.device.type, tensor.requires_grad]


def strided(like: torch.Tensor, node: Node, byte: int) -> torch.Tensor:
    """A tensor of the node's geometry on the storage of `like`, from that byte on."""
    dtype = getattr(torch, node["dtype"])
    made = torch.empty(0, dtype=dtype, device=like.device)
    return made.set_(like.untyped_storage(), byte // dtype.itemsize, node["shape"], node["stride"])


def raw_bytes(tensor: torch.Tensor) -> bytes:
    """A tensor's values, row by row."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
