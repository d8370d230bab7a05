"""A run of `make overload` is judged by its figures: each thing that may break is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chaos.overload import ADMITTED, SLACK_BYTES, broken
from tests.chaos.report import RUNS

KEPT: dict[str, Any] = json.loads((RUNS / "overload-5.json").read_text())


def test_a_kept_run_broke_nothing() -> None:
    assert broken(KEPT) == KEPT["broken"] == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"asked_for_jobs_per_second": 1.0}, "the flood was none"),
        ({"answers": {"201": 9}}, "the flood was never refused with queue_full"),
        ({"answers": {"429 queue_full": 1, "503": 1}}, "something else was answered"),
        ({"retry_after": {"missing": 1}}, "a refusal came without Retry-After"),
        ({"deepest_queue": 3 * ADMITTED}, "the queue outgrew its limit"),
        ({"ends": {"succeeded": 9, "failed": 1}}, "jobs were lost or failed"),
        ({"calm_wait_seconds": {"median": 60.0, "longest": 60.0}}, "the calm account waited behind the flood"),
        ({"resident_bytes": {"worker-0": [0, 2 * SLACK_BYTES]}}, "memory grew: ['worker-0']"),
        ({"redis_bytes": [0, 2 * SLACK_BYTES]}, "memory of Redis grew"),
    ],
)
def test_what_broke_is_told(changed: dict[str, Any], told: str) -> None:
    assert broken({**KEPT, **changed}) == [told]
