"""Proof before trust: a way of merging that nobody knows runs beside the calls run alone, and is compared.

What is proved is a merge plan (which leaves were joined, shared, padded; which numbers of rows), kept in a book. A
refuted plan is never used again: its calls are tried in stricter company and at last run alone. One member of
about every thousandth batch is audited for ever.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from workers.stepping.book import Entry, Served, Verdict, rules_of
from workers.stepping.deviation import Deviation, bound, coarsest, deviation, is_credible
from workers.stepping.faults import REFUSALS, is_out_of_memory
from workers.stepping.forwards import Forwards, Outcome, OwnFault, SideEffects
from workers.stepping.groups import composition_of, descriptions_of, order_of, tensors_of
from workers.stepping.leaves import Path
from workers.stepping.merging import Unmergeable
from workers.stepping.plan import STRICTEST, PendingCall, Variation, in_key, variations
from workers.stepping.probing import altered, equal_leaves
from workers.stepping.rules import Rules

#: How many calls of a group are altered to prove what was equal in it, and what that may cost in precision.
PROBED = 3
PROBE_SLACK = 3.0
#: About every so many merged batches, one member is run alone and compared.
AUDIT_PERIOD = 1000


class Prover:
    """Serves groups of calls with equal keys, by the book."""

    def __init__(self, forwards: Forwards, seed: int = 0, given: Sequence[Mapping[str, Any]] = ()) -> None:
        self._forwards = forwards
        self._lockstep = forwards.lockstep
        self._rules = Rules.from_json(given)
        self._book: dict[Entry, Verdict] = {}
        self._levels: dict[Hashable, int] = {}
        self._alone: dict[Hashable, str] = {}
        self._random = random.Random(seed)
        self.proofs = 0
        self.audits = 0

    @property
    def verdicts(self) -> Mapping[Entry, Verdict]:
        """The book, for `omni-jobs models --verbose`."""
        return self._book

    def rules(self) -> tuple[str, ...]:
        """What proven merges needed beyond joining rows, in words, for reports."""
        return rules_of(self._book)

    def proven(self) -> list[dict[str, Any]]:
        """The book as JSON, for a row's `merge_rules`."""
        return self._rules.to_json(self._book, self._levels, self._alone)

    def level(self, pending: PendingCall) -> int:
        """The strictness at which this call's plan has not been refuted."""
        if pending.structure not in self._rules.met:
            self._rules.meet(pending, self._book, self._levels, self._alone)
        return self._levels.get(pending.structure, 0)

    def why_alone(self, pending: PendingCall) -> str | None:
        """Why calls like this one run alone, if that is known."""
        return pending.solo or self._alone.get(pending.structure)

    def serve(self, group: Sequence[PendingCall]) -> list[Served]:
        """Serve these calls, which have equal keys: together if proved, else as proof demands, at worst alone."""
        try:
            return self._serve(group)
        except OwnFault:
            return [Served((call,), None, shared=False) for call in group]
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            # Whatever went wrong with the merge, the requests have not moved, and alone is always right.
            self._alone[group[0].structure] = f"serving it together failed: {str(error)[:120]}"
            return [Served((call,), None, shared=False) for call in group]

    def _serve(self, group: Sequence[PendingCall]) -> list[Served]:
        if len(group) == 1 or self.why_alone(group[0]):
            return [Served((call,), None, shared=False) for call in group]
        level = self.level(group[0])
        verdict = self._book.get(self._entry(group, level))
        if verdict is None:
            return self._prove(group, level)
        variation = verdict.variation
        if variation is None:
            return [
                part
                for sub in self._lockstep.partition(group, lambda call: call.key(level + 1))
                for part in self.serve(sub)
            ]
        shared = variation.shared | verdict.agree
        if shared:
            parts = self._lockstep.partition(group, lambda call: call.description.contents(shared))
            if len(parts) > 1:
                return [served for part in parts for served in self.serve(part)]
        composition = composition_of(group)
        if composition not in verdict.compositions or self._random.random() < 1 / AUDIT_PERIOD:
            return self._audit(group, verdict, composition)
        try:
            return [Served(tuple(group), tuple(self._merged(group, variation)), shared=True)]
        except Unmergeable as error:
            # Proven for other sizes, refused at this one: alone is always right.
            self._check_alone(group[0])
            self._alone[group[0].structure] = str(error)
            return [Served((call,), None, shared=False) for call in group]

    def _check_alone(self, call: PendingCall) -> None:
        """Raises OwnFault if this is a call that fails in any company."""
        with suppress(SideEffects):
            self._run_alone(call)

    def _run_alone(self, call: PendingCall) -> Outcome:
        """The call alone. Raises SideEffects; OwnFault if the model refuses the call itself."""
        try:
            return self._forwards.alone(call)
        except REFUSALS as error:
            if is_out_of_memory(error):
                raise
            raise OwnFault(str(error)[:120]) from error

    def _audit(self, group: Sequence[PendingCall], verdict: Verdict, composition: Hashable) -> list[Served]:
        """Run merged and one random member alone as well: for a new mix of rows, and now and then for ever."""
        assert verdict.variation is not None
        self.audits += 1
        index = self._random.randrange(len(group))
        try:
            reference = self._run_alone(group[index])
            outputs = self._merged(group, verdict.variation)
            found = self._deviation(reference, outputs[index])
        except (Unmergeable, SideEffects) as error:
            found, outputs = Deviation(math.inf, math.inf), []
            reason = str(error)
        if found.within(verdict.allowed):
            verdict.compositions.add(composition)
            verdict.worst = verdict.worst.worst(found)
            return [Served(tuple(group), tuple(outputs), shared=True)]
        reason = f"an audit found a difference of {found.rms:.1e}" if outputs else reason
        verdict.variation, verdict.reason = None, reason
        return self._prove(group, self.level(group[0]))

    def _prove(self, group: Sequence[PendingCall], level: int) -> list[Served]:
        self.proofs += 1
        alone: dict[int, Any] = {}
        effect = None
        for call in group:
            try:
                alone[call.call_id] = self._run_alone(call)
            except SideEffects as error:
                alone[call.call_id] = error.outcome
                effect = str(error)
                break
        if effect is not None:
            self._alone[group[0].structure] = effect
            return [
                Served((call,), (alone[call.call_id],) if call.call_id in alone else None, shared=False)
                for call in group
            ]
        return self._search(group, level, alone)

    def _search(self, group: Sequence[PendingCall], level: int, alone: dict[int, Any]) -> list[Served]:
        """Find a way to merge that agrees with the outputs run alone; else split by a stricter key and go on."""
        if len(group) == 1:
            return [Served((group[0],), (alone[group[0].call_id],), shared=False)]
        entry = self._entry(group, level)
        reason = "no way of merging was found"
        for variation in self._lockstep.decide(variations([call.description for call in group])):
            try:
                outputs, found, allowed = self._try(group, variation, alone)
            except Unmergeable as error:
                reason = str(error)
                continue
            if found.within(allowed):
                agree = self._probe(group, variation, level, allowed)
                if agree is None:
                    reason = "it holds only where the calls happen to be equal"
                    continue
                dtype = coarsest(tensors_of(group[0]))
                self._book[entry] = Verdict(variation, allowed, found, "", {composition_of(group)}, agree, dtype)
                return [Served(tuple(group), tuple(outputs), shared=True)]
            reason = f"merged differs from alone by {found.rms:.1e}, allowed {allowed.rms:.1e}"
        self._book[entry] = Verdict(None, reason=reason)
        if level == STRICTEST:
            self._alone[group[0].structure] = reason
            return [Served((call,), (alone[call.call_id],), shared=False) for call in group]
        # The next batch of this plan starts from the stricter key at once.
        self._levels[group[0].structure] = level + 1
        return [
            part
            for sub in self._lockstep.partition(group, lambda call: call.key(level + 1))
            for part in self._search(sub, level + 1, alone)
        ]

    def _try(
        self, group: Sequence[PendingCall], variation: Variation, alone: dict[int, Any]
    ) -> tuple[list[Any], Deviation, Deviation]:
        outputs = self._merged(group, variation)
        found = Deviation()
        for call, output in zip(group, outputs, strict=True):
            found = found.worst(self._deviation(alone[call.call_id], output))
        control = Deviation()
        first = group[0]
        for output in self._merged([first] * len(group), variation):
            control = control.worst(self._deviation(alone[first.call_id], output))
        reference = alone[first.call_id]
        dtype = coarsest((*tensors_of(first), *(reference if isinstance(reference, tuple) else (reference,))))
        if not is_credible(control, dtype, lambda: self._deviation(reference, self._forwards.nudged(first))):
            raise Unmergeable(f"merged with itself a call changes by {control.rms:.1e}")
        return outputs, found, bound(control, dtype)

    def _probe(
        self, group: Sequence[PendingCall], variation: Variation, level: int, allowed: Deviation
    ) -> frozenset[Path] | None:
        """Prove it again with whatever was equal made different. None: it failed; else where calls must agree.

        A model may refuse altered values (an index, say): then nothing is known, and calls must be equal there.
        """
        members = group[:PROBED]
        descriptions = descriptions_of(members, variation)
        equal = self._lockstep.decide(equal_leaves(descriptions))
        paths = [path for path in equal if not in_key(members[0].description, path, level)]
        if not paths:
            return frozenset()
        changed = [altered(item, index, paths) for index, item in enumerate(descriptions)]
        try:
            alone = [self._forwards.altered(call, item) for call, item in zip(members, changed, strict=True)]
            together = self._forwards.merged(members, changed, order_of(changed, variation))
        except (Unmergeable, *REFUSALS) as error:
            if is_out_of_memory(error):
                raise
            return frozenset(paths)
        found = Deviation()
        for mine, theirs in zip(alone, together, strict=True):
            found = found.worst(self._deviation(mine, theirs))
        # Altered inputs may be harder to round than real ones; a wrong rule is off by orders of magnitude.
        return (
            frozenset() if found.within(Deviation(PROBE_SLACK * allowed.rms, PROBE_SLACK * allowed.peak)) else None
        )

    def _deviation(self, reference: Any, other: Any) -> Deviation:
        """How far they differ, by rank 0's measure."""
        return self._lockstep.decide(deviation(reference, other))

    @staticmethod
    def _entry(group: Sequence[PendingCall], level: int) -> Entry:
        rows = frozenset(call.description.rows for call in group)
        ragged = len({call.description.text_length for call in group}) > 1
        return (group[0].structure, level, rows, ragged)

    def _merged(self, group: Sequence[PendingCall], variation: Variation) -> list[Any]:
        descriptions = descriptions_of(group, variation)
        return self._forwards.merged(group, descriptions, order_of(descriptions, variation))
