"""Step caches on a trained model: a fifth of the calls and more are saved, and the pictures are as right."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.step_cache import Measured, Policy, measure
from workers.shapes import WEIGHTS
from workers.shapes.cases import generation_cases
from workers.shapes.evaluate import load_pipeline

CASES = generation_cases(24)
STEPS = 8
#: So many pictures more than without a cache may be wrong: one drawing in a dozen is a matter of luck.
MORE_WRONG = 2


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return load_pipeline(WEIGHTS)


@pytest.fixture(scope="module")
def plain(pipeline: Any) -> Measured:
    return measure(pipeline, Policy(), CASES, STEPS)


@pytest.mark.parametrize(
    "policy",
    [
        Policy("mask", {"mask": "11011011"}),
        Policy("taylor"),
        Policy("tea_cache", {"threshold": 0.2, "order": 1}),
        Policy("easy_cache", {"threshold": 0.2, "order": 1}),
    ],
    ids=str,
)
def test_a_fifth_of_the_calls_is_saved_and_the_pictures_stay_right(
    pipeline: Any, plain: Measured, policy: Policy
) -> None:
    cached = measure(pipeline, policy, CASES, STEPS)
    assert cached.calls + cached.saved == plain.calls
    assert cached.saved_share >= 0.2
    assert cached.right >= plain.right - MORE_WRONG / len(CASES)
    assert 0 < cached.difference(plain) < 3  # of 255: other pictures, but not another scene
