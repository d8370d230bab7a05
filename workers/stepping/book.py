"""The book of proofs: what is known of each merge plan, and what was done with the calls it was asked for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from workers.stepping.deviation import Deviation
from workers.stepping.leaves import Path
from workers.stepping.plan import PendingCall, Variation

#: A merge plan: its structure, the strictness of the key, the rows of its calls, whether text was padded.
Entry = tuple[Hashable, int, frozenset[int], bool]

#: What calls must have in common at each strictness above the loosest.
LEVEL_RULES = {1: "equal lengths and rows", 2: "equal timesteps", 3: "equal conditioning"}


@dataclass
class Verdict:
    """What the book says of a merge plan. `variation` is None when it was refuted, `reason` then says why."""

    variation: Variation | None
    allowed: Deviation = field(default_factory=Deviation)
    worst: Deviation = field(default_factory=Deviation)
    reason: str = ""
    compositions: set[Hashable] = field(default_factory=set)
    agree: frozenset[Path] = frozenset()
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Served:
    """The outputs of calls that were served together; None stands for a call that must run in its fiber."""

    calls: tuple[PendingCall, ...]
    outputs: tuple[Any, ...] | None
    shared: bool


def rules_of(book: Mapping[Entry, Verdict]) -> tuple[str, ...]:
    """What the proven merges of a book needed beyond joining rows, in words."""
    found: set[str] = set()
    for (_structure, level, _rows, ragged), verdict in book.items():
        if verdict.variation is None:
            continue
        found |= {"padded text"} if ragged else set()
        found |= {"rows by role"} if verdict.variation.order_roles > 1 else set()
        found |= {f"{path[-1]} {role.value}" for path, role in verdict.variation.roles}
        found |= {f"equal {path[-1]}" for path in verdict.agree}
        found |= {LEVEL_RULES[level]} if level else set()
    return tuple(sorted(found))
