"""Merge plans proven offline, as JSON: made by one process, trusted but audited by another.

A row carries them (`merge_rules`). The prover meets each structure of a call once and is given what is known of
it; it then skips the first proof, and still compares a member of every new mix of rows with a run alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from omni_jobs.errors import Misconfigured
from workers.stepping.book import Entry, Verdict
from workers.stepping.deviation import Deviation, bound, coarsest
from workers.stepping.leaves import Path, Role
from workers.stepping.plan import PendingCall, Variation

#: Reasons for running alone that tell of one occasion, not of the structure.
PASSING = "serving it together failed"


@dataclass(frozen=True)
class Plan:
    """One way of merging that was proved: for calls of these rows, at this strictness, in this precision.

    `roles` and `agree` name leaves by their paths, as in `Variation` and `Verdict`; `allowed` is the root mean
    square and the peak that the merge may deviate by.
    """

    level: int
    rows: list[int]
    ragged: bool
    order_roles: int
    roles: list[tuple[list[str | int], str]]
    agree: list[list[str | int]]
    dtype: str
    allowed: tuple[float, float]

    @classmethod
    def of(cls, entry: Entry, verdict: Verdict) -> Plan | None:
        """The plan that an entry of the book proves; None if it was refuted."""
        if verdict.variation is None:
            return None
        _structure, level, rows, ragged = entry
        roles = [(list(path), role.value) for path, role in verdict.variation.roles]
        agree = [list(path) for path in sorted(verdict.agree, key=str)]
        allowed = (verdict.allowed.rms, verdict.allowed.peak)
        return cls(
            level, sorted(rows), ragged, verdict.variation.order_roles, roles, agree, str(verdict.dtype), allowed
        )

    def verdict(self, dtype: torch.dtype) -> Verdict:
        """What the prover is to believe; measured in another precision, it may deviate as rounding alone does."""
        allowed = Deviation(*self.allowed) if self.dtype == str(dtype) else bound(Deviation(), dtype)
        variation = Variation(tuple((_path(path), Role(role)) for path, role in self.roles), self.order_roles)
        return Verdict(variation, allowed, agree=frozenset(map(_path, self.agree)), dtype=dtype)


@dataclass(frozen=True)
class Known:
    """What is known of one structure of calls. `level` is the strictness to begin with, `alone` why none merge."""

    structure: str
    component: str
    method: str
    level: int
    alone: str | None
    plans: list[Plan]

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Known:
        """What `asdict` made. Raises KeyError, TypeError or ValueError for anything else."""
        known = cls(**{**table, "plans": [Plan(**plan) for plan in table["plans"]]})
        for plan in known.plans:
            plan.verdict(torch.float32)
        return known


def name_of(pending: PendingCall) -> str | None:
    """The name that every process gives a call's structure; None if it holds what this one alone knows."""
    call = pending.call
    facts = repr((call.component, type(call.module).__qualname__, pending.structure[1:]))
    return None if " at 0x" in facts else hashlib.blake2b(facts.encode(), digest_size=12).hexdigest()


@dataclass
class Rules:
    """What was given, by name, and the structures met so far, each with a call of it."""

    given: Mapping[str, Known] = field(default_factory=dict)
    met: dict[Hashable, Known] = field(default_factory=dict)

    @classmethod
    def from_json(cls, tables: Sequence[Mapping[str, Any]]) -> Rules:
        """Rules as `to_json` wrote them.

        Raises:
            Misconfigured: they are something else.
        """
        try:
            return cls({known.structure: known for known in map(Known.from_json, tables)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misconfigured(
                f"`merge_rules` are not understood: {type(error).__name__}: {error}.",
                field="merge_rules",
                remedy="Give what `Omni.proven_rules()` returned.",
            ) from error

    def meet(
        self,
        pending: PendingCall,
        book: dict[Entry, Verdict],
        levels: dict[Hashable, int],
        alone: dict[Hashable, str],
    ) -> None:
        """Write what is given for this call's structure: verdicts, where strictness begins, why it runs alone."""
        structure, name = pending.structure, name_of(pending) or ""
        known = self.given.get(name) or Known(name, pending.call.component, pending.call.method, 0, None, [])
        self.met[structure] = known
        dtype = coarsest(leaf.value for leaf in pending.description.leaves)
        for plan in known.plans:
            book[structure, plan.level, frozenset(plan.rows), plan.ragged] = plan.verdict(dtype)
        levels[structure] = known.level
        if known.alone is not None:
            alone[structure] = known.alone

    def to_json(
        self, book: Mapping[Entry, Verdict], levels: Mapping[Hashable, int], alone: Mapping[Hashable, str]
    ) -> list[dict[str, Any]]:
        """What a book proves, by structure; what was given and has not been met is kept."""
        found = dict(self.given)
        for structure, met in self.met.items():
            plans = [plan for entry in book if entry[0] == structure and (plan := Plan.of(entry, book[entry]))]
            reason = alone.get(structure)
            reason = None if reason is not None and reason.startswith(PASSING) else reason
            if met.structure and (plans or reason):
                level = levels.get(structure, 0)
                found[met.structure] = Known(met.structure, met.component, met.method, level, reason, plans)
        return [asdict(known) for known in found.values()]


def _path(parts: Sequence[str | int]) -> Path:
    return tuple(parts)
