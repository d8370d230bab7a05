"""When a step cache skips, by policy: pure decisions, and what of its configuration is refused."""

from __future__ import annotations

from typing import Any

import pytest

from omni_jobs.errors import Misconfigured
from workers.registry import ModelRow
from workers.stepping.cache_config import cache_policy
from workers.stepping.cache_policies import COMPUTE, CachePolicy, Place, extrapolation_weights, stretched


class Told:
    """Evidence that says what it is told, and counts how often it was asked."""

    def __init__(self, change: float) -> None:
        self.change, self.asked = change, 0

    def input_change(self) -> float:
        self.asked += 1
        return self.change

    output_change = input_change


def decisions(policy: CachePolicy, evidence: Told, steps: int) -> str:
    """The steps that a policy computes (1) and skips (0)."""
    marks, spent, computed, skipped = "", 0.0, 0, 0
    for step in range(steps):
        total = policy.spent_after_skip(Place(step, steps, computed, skipped), spent, evidence) if step else None
        marks += "1" if total is None else "0"
        spent, computed, skipped = (0.0, step, 0) if total is None else (total, computed, skipped + 1)
    return marks


@pytest.mark.parametrize(
    ("backend", "config", "change", "expected"),
    [
        ("mask", {"mask": "11010101"}, 0.0, "11010101"),
        ("mask", {"mask": [1, 0]}, 0.0, "11110000"),
        ("mask", {"mask": "10", "max_skips": 2}, 0.0, "11110010"),
        ("taylor", {"interval": 3}, 0.0, "11001001"),
        ("taylor", {"interval": 3, "final": 3}, 0.0, "11001111"),
        ("mag_cache", {"ratios": [1, 1, 0.98, 0.97, 0.9, 0.8, 0.9, 1], "warmup": 2}, 0.0, "11011111"),
        ("tea_cache", {"rel_l1_thresh": 0.25}, 0.1, "10010011"),
        ("tea_cache", {"rel_l1_thresh": 0.25, "coefficients": [2, 0, 0.1]}, 0.1, "10010011"),
        ("tea_cache", {"threshold": 0.25, "coefficients": [2, 0]}, 0.1, "10101011"),
        ("easy_cache", {"threshold": 1.0}, 0.1, "11000101"),
        ("easy_cache", {"threshold": 1.0, "warmup": 0.5, "max_skips": 9}, 0.1, "11110001"),
        ("easy_cache", {}, float("nan"), "11111111"),
        ("easy_cache", {}, COMPUTE, "11111111"),
    ],
)
def test_when_a_policy_skips(backend: str, config: dict[str, Any], change: float, expected: str) -> None:
    policy = cache_policy(backend, config)
    assert policy is not None
    assert decisions(policy, Told(change), 8) == expected


def test_only_estimates_of_change_ask_the_device() -> None:
    for backend, config in (("mask", {"mask": "10"}), ("taylor", {}), ("mag_cache", {"ratios": [1.0, 0.9]})):
        policy, evidence = cache_policy(backend, config), Told(0.0)
        assert policy is not None
        decisions(policy, evidence, 20)
        assert evidence.asked == 0, backend


def test_nothing_is_skipped_in_a_loop_of_unknown_length() -> None:
    policy = cache_policy("mask", {"mask": "10"})
    assert policy is not None
    assert policy.must_compute(Place(step=3, steps=0, computed=2, skipped=0))


def test_extrapolation_is_the_polynomial_through_the_known_steps() -> None:
    for known in ([4], [2, 4], [1, 2, 4], [0, 3, 4, 6]):
        weights = extrapolation_weights(known, 8)
        for power in range(len(known)):
            assert sum(w * k**power for w, k in zip(weights, known, strict=True)) == pytest.approx(8**power)


def test_lists_made_for_other_loops_are_stretched() -> None:
    assert [stretched("abcd", step, 4) for step in range(4)] == list("abcd")
    assert [stretched("abc", step, 5) for step in range(5)] == list("aabcc")
    assert stretched("abc", 0, 1) == "a"


@pytest.mark.parametrize(
    ("backend", "config", "words"),
    [
        ("tee_cache", {}, "Did you mean `tea_cache`"),
        ("tea_cache", {"treshold": 1}, "Did you mean `threshold`"),
        ("tea_cache", {"threshold": "much"}, "wants a number from 0 on, not 'much'"),
        ("mask", {}, "wants ones and zeros"),
        ("mask", {"mask": "1021"}, "wants ones and zeros"),
        ("mask", {"mask": 7}, "wants ones and zeros"),
        ("mag_cache", {}, "Measure it once with `calibrate = true`"),
        ("mag_cache", {"calibrate": 1}, "wants true or false"),
        ("easy_cache", {"order": 4}, "`cache_config.order`"),
        ("easy_cache", {"reuse": "both"}, "`cache_config.reuse`"),
        ("taylor", {"interval": 1}, "`cache_config.interval`"),
        (None, {"threshold": 1}, "`cache_backend` is not"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(
    backend: str | None, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(Misconfigured, match=words):
        ModelRow("mine", "a/b", cache_backend=backend, cache_config=config)


def test_a_row_hands_its_cache_to_the_engine() -> None:
    row = ModelRow("mine", "a/b", cache_backend="tea_cache", cache_config={"rel_l1_thresh": 0.3})
    config = row.engine_config()
    assert (config.cache_backend, config.cache_config) == ("tea_cache", {"rel_l1_thresh": 0.3})
    assert ModelRow("mine", "a/b").engine_config().cache_backend is None
