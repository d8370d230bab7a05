"""What an onlooker learns of the latest batches."""

from __future__ import annotations

from pathlib import Path

from workers.engine_process.memory import MemoryNews, host_memory
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


def test_the_devices_memory_is_told_as_it_was_last_heard() -> None:
    recent = RecentBatches()
    assert "memory" not in recent.to_json()
    recent.begin(("a",), 0.0, {"used_bytes": 3, "total_bytes": 8})
    recent.begin(("a",), 0.5)
    recent.rest()
    assert recent.to_json()["memory"] == {"used_bytes": 3, "total_bytes": 8}


def test_the_hosts_memory_is_what_the_system_says(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       100 kB\nMemFree:         10 kB\nMemAvailable:    60 kB\n")
    assert host_memory(told) == {"used_bytes": 40 * 1024, "total_bytes": 100 * 1024}
    assert host_memory(tmp_path / "nothing") is None


def test_a_process_without_a_gpu_tells_of_no_devices_memory() -> None:
    assert MemoryNews().told() == {}
