"""How many calls may share a forward: measured per key on this device, or fixed by the operator.

The engine tells each batch's time; the batcher asks for the cap. Where throughput is flat the smaller batch wins,
because waiting is shorter.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from omni_jobs.errors import Misconfigured

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

    def observe(self, key: Hashable, size: int, seconds: float) -> None:
        """A batch of `size` calls took `seconds` on the device."""


class FixedCaps:
    """The operator's number for every key."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, key: Hashable) -> int:
        return self._size

    def observe(self, key: Hashable, size: int, seconds: float) -> None:
        """Nothing to learn."""


class MeasuredCaps:
    """Doubles a key's cap for as long as the larger batch serves more calls per second, then settles.

    Settled is the smallest size whose throughput comes within WORTHWHILE_GAIN of the best.
    """

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, Measured] = OrderedDict()

    def __call__(self, key: Hashable) -> int:
        return self._keys[key].cap if key in self._keys else FIRST_CAP

    def observe(self, key: Hashable, size: int, seconds: float) -> None:
        measured = self._keys.setdefault(key, Measured())
        self._keys.move_to_end(key)
        while len(self._keys) > KEYS_KEPT:
            self._keys.popitem(last=False)
        if seconds > 0 and not measured.is_settled:
            measured.observe(size, seconds)


@dataclass
class Measured:
    """What is known of one key: the fastest times by batch size, and the cap they have led to."""

    cap: int = FIRST_CAP
    is_settled: bool = False
    samples: dict[int, int] = field(default_factory=dict)
    fastest: dict[int, float] = field(default_factory=dict)

    def observe(self, size: int, seconds: float) -> None:
        self.samples[size] = self.samples.get(size, 0) + 1
        self.fastest[size] = min(seconds, self.fastest.get(size, seconds))
        if size < self.cap or self.samples[size] < SAMPLES:
            return
        rates = {known: known / time for known, time in self.fastest.items() if self.samples[known] >= SAMPLES}
        smaller = [rate for known, rate in rates.items() if known < size]
        if self.cap < GREATEST_CAP and (not smaller or rates[size] >= WORTHWHILE_GAIN * max(smaller)):
            self.cap *= 2
            return
        best = max(rates.values())
        self.cap = min(known for known, rate in rates.items() if rate * WORTHWHILE_GAIN >= best)
        self.is_settled = True


def cap_policy(text: str) -> CapPolicy:
    """The policy that `caps` of a model's row means: "measured" or "fixed(n)".

    Raises:
        Misconfigured: anything else.
    """
    if text == "measured":
        return MeasuredCaps()
    if match := re.fullmatch(r"fixed\((\d{1,4})\)", text):
        return FixedCaps(max(1, int(match[1])))
    raise Misconfigured(
        f"`caps`: {text!r} is no cap policy.", field="caps", value=text, remedy="Use measured or fixed(8)."
    )
