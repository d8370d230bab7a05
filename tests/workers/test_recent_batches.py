"""What an onlooker learns of the latest batches."""

from __future__ import annotations

from workers.engine_process.recent import RecentBatches


def test_requests_are_named_once_and_batches_point_at_them() -> None:
    recent = RecentBatches(kept=2)
    for at, batch in enumerate((("old",), ("a", "b"), ("b", "c"))):
        recent.begin(batch, float(at))
    told = recent.to_json()
    assert told == {
        "requests": ["a", "b", "c"],
        "batches": [[0, 1], [1, 2]],
        "ms_per_batch": 1000.0,
        "is_running": True,
    }


def test_time_without_work_is_no_batchs_time() -> None:
    recent = RecentBatches()
    recent.begin(("a",), 0.0)
    recent.begin(("a",), 0.5)
    recent.begin((), 0.6)
    recent.rest()
    recent.begin(("b",), 100.0)
    recent.begin(("b",), 100.5)
    assert recent.to_json()["ms_per_batch"] == 500.0
    recent.rest()
    assert recent.to_json()["is_running"] is False
