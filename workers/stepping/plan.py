"""Which parked calls may share a forward: the batch key of a call, at four degrees of strictness.

The runner gives the batcher the loosest key that has not been refuted; a proof that fails tightens it. Keys hold
shapes and digests, never tensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from workers.engine.calls import Lane
from workers.stepping.contents import content
from workers.stepping.fiber import ComponentCall, Fiber
from workers.stepping.forms import description_of
from workers.stepping.leaves import EQUAL_ROWS, Description, Leaf, Path, Role, undescribed

#: 0: equal features. 1: also rows and text lengths. 2: also the values of scalars and vectors (one timestep for
#: all). 3: also everything but the sample itself.
LEAST_BY_CONTENT, STRICTEST = 2, 3


@dataclass(eq=False)
class PendingCall:
    """A parked call with all that is known of it. `solo` is why it must run alone, if it must.

    `circumstances` are what a proof of merging depends on beside the arguments; `adapters` must be equal, too, but
    other adapters of the same kinds merge as these do.
    """

    call_id: int
    request_id: str
    fiber: Fiber
    call: ComponentCall
    lane: Lane
    description: Description
    circumstances: Hashable
    adapters: Hashable = None
    solo: str | None = None
    level: int = 0
    #: The merge plan without sizes: what a proof is about.
    structure: tuple[Hashable, ...] = field(init=False, repr=False)
    _keys: dict[int, Hashable] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        module, method = self.call.module, self.call.method
        self.structure = (id(module), method, self.circumstances, self.description.plan)

    def key(self, level: int) -> Hashable:
        """The batch key at this strictness."""
        return ("alone", self.request_id) if self.solo else self.unshared_key(level)

    def unshared_key(self, level: int) -> Hashable:
        """The same for calls that run alone, too: what equal calls have in common."""
        if level not in self._keys:
            known = self.description
            equal = (known.features, known.digests, self._contents(level))
            size = (known.rows, known.text_length) if level else ()
            self._keys[level] = hash((self.structure, self.adapters, equal, size)), level
        return self._keys[level]

    def label(self, level: int) -> str:
        """A name of `unshared_key` that every process gives it; "" if it holds what this process alone knows."""
        features = [(leaf.path, leaf.feature) for leaf in self.description.leaves]
        extra = list(self._contents(level))
        size = (self.description.rows, self.description.text_length)
        facts = repr((self.call.component, self.structure[1:], features, extra, size, level))
        return "" if " at 0x" in facts else hashlib.blake2b(facts.encode(), digest_size=12).hexdigest()

    def _contents(self, level: int) -> tuple[Hashable, ...]:
        """What the leaves hold whose values belong to the key at this strictness; never the sample."""
        if level < LEAST_BY_CONTENT:
            return ()
        others = [leaf for leaf in self.description.leaves if leaf.path != self.description.primary]
        return tuple(content(leaf.value) for leaf in others if _counts(leaf, level))


def described(call: ComponentCall) -> Description:
    """A call's description; one whose arguments nobody understands runs alone, as the pipeline made it."""
    try:
        return description_of(call)
    except Exception as error:  # noqa: BLE001 - a call that the module itself will refuse, in its own request
        return undescribed(f"its arguments cannot be described: {str(error)[:120]}")


@dataclass(frozen=True)
class Variation:
    """One way to merge: leaves whose role differs from the rule, and into how many roles the batch is ordered."""

    roles: tuple[tuple[Path, Role], ...] = ()
    order_roles: int = 1

    @property
    def shared(self) -> frozenset[Path]:
        """The leaves that calls merged this way must agree on."""
        return frozenset(path for path, role in self.roles if role is Role.SHARED)


#: The rules as they stand.
BY_RULE = Variation()


def variations(calls: Sequence[Description]) -> list[Variation]:
    """The ways to try when the rules' own way fails, likeliest first.

    Leaves and lists that the rule reads as rows may be tables that the model uses for the whole batch (only if all
    calls agree on them), or have their rows in dimension 1; some models take one timestep for all rows; and the
    batch may be split by role.
    """
    rows = {call.rows for call in calls}
    by_role = rows.pop() if len(rows) == 1 else 1
    found = [BY_RULE]
    if by_role > 1:
        found.append(Variation(order_roles=by_role))
    columns = [
        (leaves[0].path, Role.COLUMNS)
        for leaves in zip(*(call.leaves for call in calls), strict=True)
        if leaves[0].path != calls[0].primary and _may_be_columns(leaves, calls)
    ]
    found += [Variation(tuple(columns))] if columns else []
    flips = [
        (leaves[0].path, Role.ROWS if leaves[0].role is Role.SHARED else Role.SHARED)
        for leaves in zip(*(call.leaves for call in calls), strict=True)
        if leaves[0].path != calls[0].primary and _may_flip(leaves)
    ]
    tables = tuple(flip for flip in flips if flip[1] is Role.ROWS)
    scalars = tuple((path, role) for path, role in flips if path in _paths(calls[0], Role.SCALAR))
    together = [Variation(group) for group in (tables, scalars) if len(group) > 1]
    return found + together + [Variation((flip,)) for flip in flips[:10]]


def _paths(call: Description, role: Role) -> set[Path]:
    return {leaf.path for leaf in call.leaves if leaf.role is role}


def _may_be_columns(leaves: Sequence[Leaf], calls: Sequence[Description]) -> bool:
    return all(
        leaf.role in (Role.ROWS, Role.SHARED) and leaf.value.ndim >= 3 and leaf.value.shape[1] == call.rows
        for leaf, call in zip(leaves, calls, strict=True)
    )


def _may_flip(leaves: Sequence[Leaf]) -> bool:
    first = leaves[0]
    return first.role in (Role.ROWS, Role.SHARED, Role.SCALAR, Role.TABLE) and all(
        content(leaf.value) == content(first.value) for leaf in leaves
    )


def in_key(call: Description, path: Path, level: int) -> bool:
    """Whether calls with equal keys at this strictness are equal in this leaf anyway."""
    leaf = next((leaf for leaf in call.leaves if leaf.path == path), None)
    if leaf is None or leaf.role is Role.SHARED or _counts(leaf, level):
        return True
    return isinstance(leaf.feature, tuple) and leaf.feature[0] == EQUAL_ROWS


def _counts(leaf: Leaf, level: int) -> bool:
    """Whether the leaf's value is part of the key at this strictness."""
    if level >= STRICTEST:
        return leaf.role in (Role.ROWS, Role.TEXT, Role.MASK, Role.SCALAR)
    vector = leaf.role is Role.ROWS and leaf.value.ndim == 1
    return level == LEAST_BY_CONTENT and (leaf.role is Role.SCALAR or vector)
