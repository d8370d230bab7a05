"""The measured cap follows the device: it grows where company pays and stays small where it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from omni_jobs.errors import Misconfigured
from workers.engine.caps import MeasuredCaps, cap_policy


def settle(seconds: Callable[[int], float], waiting: int = 64) -> int:
    caps = MeasuredCaps()
    for _ in range(60):
        size = min(waiting, caps("key"))
        caps.observe("key", size, seconds(size))
    return caps("key")


def test_a_device_that_is_busy_at_one_gets_small_batches() -> None:
    caps = MeasuredCaps()
    for _ in range(3):
        caps.observe("key", 1, 1.0)
    for _ in range(10):
        caps.observe("key", caps("key"), float(caps("key")))
    assert caps("key") == 1


def test_a_device_bound_by_launches_gets_large_batches() -> None:
    assert settle(lambda size: 1.0) == 64


def test_the_smallest_batch_with_the_best_throughput_wins() -> None:
    # H200, 512x512, measured elsewhere: flat beyond three.
    times = {1: 0.167, 2: 0.183, 4: 0.240, 8: 0.425, 16: 0.832, 32: 1.66, 64: 3.3}
    assert settle(lambda size: times[size]) in (8, 16)


def test_a_hiccup_does_not_settle_it() -> None:
    caps = MeasuredCaps()
    caps.observe("key", 2, 9.0)
    for _ in range(3):
        caps.observe("key", 2, 1.0)
    assert caps("key") == 4


def test_policies_are_named() -> None:
    assert cap_policy("fixed(8)")("anything") == 8
    with pytest.raises(Misconfigured, match=r"fixed\(8\)"):
        cap_policy("eight")
