"""How many calls may share a forward: measured per key on this device, or fixed by the operator.

The engine tells each batch's time; the batcher asks for the cap. Where throughput is flat the smaller batch wins,
because waiting is shorter.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Protocol

from omni_jobs.errors import Misconfigured

#: A larger batch must serve at least this many times more calls per second than the best smaller one.
WORTHWHILE_GAIN = 1.03
#: Batches timed at one size before it is judged; the fastest counts, so that a hiccup does not.
SAMPLES = 3
#: No cap grows beyond this.
GREATEST_CAP = 64


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
    """Doubles a key's cap for as long as the larger batch serves more calls per second."""

    def __init__(self) -> None:
        self._caps: dict[Hashable, int] = {}
        self._times: dict[Hashable, dict[int, list[float]]] = {}
        self._settled: set[Hashable] = set()

    def __call__(self, key: Hashable) -> int:
        return self._caps.get(key, 2)

    def observe(self, key: Hashable, size: int, seconds: float) -> None:
        if key in self._settled or seconds <= 0:
            return
        times = self._times.setdefault(key, {})
        samples = times.setdefault(size, [])
        samples.append(seconds)
        cap = self._caps.get(key, 2)
        if size != cap or len(samples) < SAMPLES or len(times.get(cap // 2, ())) < SAMPLES:
            return
        gain = (cap / min(samples)) / ((cap // 2) / min(times[cap // 2]))
        if gain < WORTHWHILE_GAIN or cap >= GREATEST_CAP:
            self._settled.add(key)
            self._caps[key] = cap // 2 if gain < WORTHWHILE_GAIN else cap
        else:
            self._caps[key] = cap * 2


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
