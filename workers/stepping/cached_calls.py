"""What the computed calls of a slot tell of the call to come: how far it may have moved, and what it would give.

Tensor arithmetic and no more; `step_cache` decides when it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from workers.stepping.cache_policies import COMPUTE, CachePolicy, extrapolation_weights
from workers.stepping.leaves import Description

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class ComputedCall:
    """A call that ran: its step, its sample, and its output as tensors and the tree that holds them."""

    step: int
    sample: Tensors
    output: Tensors
    tree: pytree.TreeSpec

    def reused(self, reuse: str) -> Tensors:
        """What a policy's `reuse` means of it: the output, or output less sample where both have one shape."""
        if not self._is_residual(reuse):
            return self.output
        return tuple(output - sample for output, sample in zip(self.output, self.sample, strict=True))

    def output_of(self, reused: Sequence[torch.Tensor], sample: Tensors, reuse: str) -> Any:
        """The reverse: an output like this one's, of another call with this sample."""
        if self._is_residual(reuse):
            reused = [value + own for value, own in zip(reused, sample, strict=True)]
        dtyped = [value.to(own.dtype) for value, own in zip(reused, self.output, strict=True)]
        return pytree.tree_unflatten(dtyped, self.tree)

    def is_like(self, other: ComputedCall) -> bool:
        """Whether the outputs have one form, so that one can stand for the other."""
        return self.tree == other.tree and alike(self.output, other.output)

    def _is_residual(self, reuse: str) -> bool:
        return reuse == "residual" and alike(self.output, self.sample)


def predicted(known: Sequence[ComputedCall], policy: CachePolicy, sample: Tensors, step: int) -> Any:
    """The output at `step` from the calls computed last; in new tensors, since pipelines write into them."""
    known = known[-(policy.order + 1) :]
    weights = extrapolation_weights([item.step for item in known], step)
    parts = zip(*(item.reused(policy.reuse) for item in known), strict=True)
    return known[-1].output_of([_weighted(weights, part) for part in parts], sample, policy.reuse)


@dataclass(frozen=True)
class TensorEvidence:
    """What tensors tell of a call: those computed before it, the sample of the previous call, and its own.

    Every method waits for the device: one number is read.
    """

    known: Sequence[ComputedCall]
    previous: Tensors
    sample: Tensors

    def input_change(self) -> float:
        return float(_distance(self.sample, self.previous) / _size(self.previous))

    def output_change(self) -> float:
        if len(self.known) < 2:
            return COMPUTE
        before, latest = self.known[-2:]
        rate = _distance(latest.output, before.output) / _distance(latest.sample, before.sample)
        return float(rate * _distance(self.sample, self.previous) / _size(latest.output))


def sample_of(description: Description) -> Tensors:
    """The sample of a call: one tensor, or one for each row where the model takes a list."""
    value = next((leaf.value for leaf in description.leaves if leaf.path == description.primary), None)
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, torch.Tensor))


def magnitude(values: Tensors) -> torch.Tensor:
    """The Euclidean norm of all of them, on their device."""
    sizes: list[torch.Tensor] = [value.float().norm() for value in values]
    size: torch.Tensor = torch.stack(sizes).norm()
    return size


def alike(one: Tensors, other: Tensors) -> bool:
    """Whether two sets of tensors have the same shapes."""
    return [item.shape for item in one] == [item.shape for item in other]


def copied(values: Sequence[torch.Tensor]) -> Tensors:
    """Copies of our own: pipelines write into latents and predictions."""
    return tuple(value.detach().clone() for value in values)


def _weighted(weights: Sequence[float], parts: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(parts) == 1:
        return parts[0].clone()
    return torch.stack([weight * part.float() for weight, part in zip(weights, parts, strict=True)]).sum(0)


def _distance(one: Tensors, other: Tensors) -> torch.Tensor:
    return torch.stack([(a - b).abs().float().mean() for a, b in zip(one, other, strict=True)]).mean()


def _size(values: Tensors) -> torch.Tensor:
    return torch.stack([value.abs().float().mean() for value in values]).mean()
