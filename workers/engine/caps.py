"""How many calls may share a forward: measured per key on this device, or fixed by the operator.

The engine tells each batch's time and memory; the batcher asks for the cap. Where throughput is flat the smaller
batch wins, because waiting is shorter. What was measured is kept by `caps_file`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from omni_jobs.errors import Misconfigured
from workers.engine.calls import Timing

#: A larger batch must serve at least this many times more calls per second than the best smaller one.
WORTHWHILE_GAIN = 1.03
#: Batches timed at one size before it is judged; the fastest counts, so that a hiccup does not.
SAMPLES = 3
#: Where measuring begins.
FIRST_CAP = 2
#: No cap grows beyond this.
GREATEST_CAP = 64
#: Keys remembered; the least recently used goes first.
KEYS_KEPT = 1024


class CapPolicy(Protocol):
    """A cap per batch key that may learn from observed batches."""

    def __call__(self, key: Hashable) -> int: ...

    def meet(self, key: Hashable, label: str) -> None:
        """A call of this key came; `label` is what the key is called in every process."""

    def observe(self, timing: Timing) -> bool:
        """A batch ran. True when that changed what is known of its key's cap: something worth keeping."""


class FixedCaps:
    """The operator's number for every key."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, key: Hashable) -> int:
        return self._size

    def meet(self, key: Hashable, label: str) -> None:
        """Nothing to remember."""

    def observe(self, timing: Timing) -> bool:
        """Nothing to learn."""
        return False


class MeasuredCaps:
    """Doubles a key's cap for as long as the larger batch serves more calls per second and fits, then settles.

    Settled is the smallest size whose throughput comes within WORTHWHILE_GAIN of the best. `kept` is what an
    earlier process on this device learned, by label.
    """

    def __init__(self, kept: Mapping[str, Measured] | None = None) -> None:
        self._keys: OrderedDict[Hashable, Measured] = OrderedDict()
        self._kept = dict(kept or {})

    def __call__(self, key: Hashable) -> int:
        return self._keys[key].cap if key in self._keys else FIRST_CAP

    def meet(self, key: Hashable, label: str) -> None:
        if label and key not in self._keys:
            self._keys[key] = self._kept.get(label) or Measured(label)

    def observe(self, timing: Timing) -> bool:
        measured = self._keys.setdefault(timing.batch_key, Measured())
        self._keys.move_to_end(timing.batch_key)
        while len(self._keys) > KEYS_KEPT:
            self._keys.popitem(last=False)
        if timing.seconds <= 0 or measured.is_settled:
            return False
        before = measured.cap
        measured.observe(timing)
        return measured.is_settled or measured.cap != before

    def learned(self) -> list[Measured]:
        """What is worth keeping: what was learned here, and before of keys that have not come again."""
        here = {found.label: found for found in self._keys.values() if found.label}
        return list((self._kept | here).values())


@dataclass
class Measured:
    """What is known of one key: the fastest times by batch size, and the cap they have led to."""

    label: str = ""
    cap: int = FIRST_CAP
    is_settled: bool = False
    samples: dict[int, int] = field(default_factory=dict)
    fastest: dict[int, float] = field(default_factory=dict)

    def observe(self, timing: Timing) -> None:
        size, seconds = timing.size, timing.seconds
        self.samples[size] = self.samples.get(size, 0) + 1
        self.fastest[size] = min(seconds, self.fastest.get(size, seconds))
        if size < self.cap or self.samples[size] < SAMPLES:
            return
        rates = {known: known / time for known, time in self.fastest.items() if self.samples[known] >= SAMPLES}
        smaller = [rate for known, rate in rates.items() if known < size]
        pays = not smaller or rates[size] >= WORTHWHILE_GAIN * max(smaller)
        # Twice the calls need as much again as these needed.
        fits = not timing.memory_bytes or timing.memory_bytes <= timing.free_bytes
        if pays and fits and self.cap < GREATEST_CAP:
            self.cap *= 2
            return
        best = max(rates.values())
        self.cap = min(known for known, rate in rates.items() if rate * WORTHWHILE_GAIN >= best)
        self.is_settled = True

    def to_json(self) -> dict[str, Any]:
        """Plain data; sizes become texts."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        """What `to_json` made. Raises KeyError, TypeError or ValueError for anything else."""
        samples = {int(size): int(count) for size, count in data["samples"].items()}
        fastest = {int(size): float(seconds) for size, seconds in data["fastest"].items()}
        cap = max(1, min(int(data["cap"]), GREATEST_CAP))
        return cls(str(data["label"]), cap, bool(data["is_settled"]), samples, fastest)


def cap_policy(text: str, kept: Mapping[str, Measured] | None = None) -> CapPolicy:
    """The policy that `caps` of a model's row means: "measured" or "fixed(n)".

    Raises:
        Misconfigured: anything else.
    """
    if text == "measured":
        return MeasuredCaps(kept)
    if match := re.fullmatch(r"fixed\((\d{1,4})\)", text):
        return FixedCaps(max(1, int(match[1])))
    raise Misconfigured(
        f"`caps`: {text!r} is no cap policy.", field="caps", value=text, remedy="Use measured or fixed(8)."
    )
