"""Makes equal arguments differ, so that a proof cannot succeed by chance.

All requests that begin together have the same first timestep: a model that uses the first row's for everybody
would agree with itself. So whatever is equal in a group is altered, per call, and must merge as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from workers.stepping.contents import content
from workers.stepping.leaves import Description, Leaf, Path, Role

#: Leaves that a merge joins row by row, and that may therefore differ.
JOINED = (Role.ROWS, Role.COLUMNS, Role.TEXT, Role.SCALAR, Role.MASK)

#: By how much numbers shrink from one altered call to the next.
SHRINKS = 0.3


def equal_leaves(calls: Sequence[Description]) -> list[Path]:
    """The joined leaves, apart from the sample, in which these calls do not differ at all."""
    found = []
    for column in zip(*(call.leaves for call in calls), strict=True):
        leaf = column[0]
        if leaf.role not in JOINED or leaf.path == calls[0].primary or leaf.value is None:
            continue
        if len({content(item.value) for item in column}) == 1:
            found.append(leaf.path)
    return found


def altered(call: Description, index: int, paths: Sequence[Path]) -> Description:
    """The same call with other, plausible values in these leaves; call 0 keeps its own."""
    chosen = set(paths)
    leaves = [_altered_leaf(leaf, index) if leaf.path in chosen else leaf for leaf in call.leaves]
    return replace(call, leaves=tuple(leaves))


def _altered_leaf(leaf: Leaf, index: int) -> Leaf:
    return leaf._replace(
        value=_altered_mask(leaf.value, index) if leaf.role is Role.MASK else _moved(leaf.value, index)
    )


def _moved(value: Any, index: int) -> Any:
    """Tables are rolled; numbers and vectors shrink, so that timesteps stay in their range, and far enough to meet
    experts that take turns by timestep."""
    if index == 0 or isinstance(value, bool) or (isinstance(value, torch.Tensor) and value.dtype is torch.bool):
        return value
    factor = SHRINKS**index
    if not isinstance(value, torch.Tensor):
        return type(value)(value * factor)
    if value.ndim <= 1 or value.shape[-1] == 1:
        return (value.double() * factor).to(value.dtype)
    return torch.roll(value, index, dims=-1)


def _altered_mask(mask: torch.Tensor, index: int) -> torch.Tensor:
    """As if the text were shorter, never empty."""
    shorter = min(index, mask.shape[1] // 4)
    if not shorter:
        return mask
    changed = mask.clone()
    changed[:, -shorter:] = 0
    return changed
