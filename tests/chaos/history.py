"""What happened in a run, one JSON object a line: written by load, faults and collector, read by the checker.

Times are milliseconds of the Redis server's clock. The kinds:

| kind | fields |
|---|---|
| `run` | `seed`, `lease_seconds`, `max_attempts`, `submit_seconds` (longest time that an answer may take) |
| `submitted` | `job`, `key`, `role`, `seconds`: a submit that was answered 2xx; once for each answer |
| `unanswered` | `key`, `role`: a submit that got no final answer until the run ended |
| `refused` | `key`, `role`, `status`, `text`: a good submit that was refused for good |
| `canceled` | `job`: a cancel that was answered 2xx |
| `seen` | `job`, `status`, `attempt`: what a reader was told in the middle of the run |
| `webhook` | `id`, `job`, `sequence`, `type`, `is_valid` (signature), `answered` (HTTP status) |
| `fault`, `healed` | `number`, `name`, `target` |
| `died` | `member`, `status`: a process that ended though nobody killed it |
| `record` | `job`, `key`, `status`, `attempt`, `code`, `message`, `events`, `artifacts`, `wants` (webhook types) |
| `delivery` | `id`, `job`: a webhook that was never delivered |
| `damage` | `code`, `where`, `message`: what `omni-jobs fsck` finds |
| `baseline` | `name`, `after`, `allowed`: a resource when all is over |
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class History:
    """An append-only file of entries; safe for threads."""

    def __init__(self, path: Path, clock_ms: Callable[[], int]) -> None:
        self._file = path.open("w")
        self._clock_ms = clock_ms
        self._lock = threading.Lock()

    def add(self, kind: str, **facts: Any) -> None:
        """One entry, stamped now."""
        entry = {"at": self._clock_ms(), "kind": kind, **facts}
        with self._lock:
            self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read_history(path: Path) -> list[Entry]:
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def clock_of(redis_time: tuple[int, int]) -> Callable[[], int]:
    """Redis' clock in milliseconds, carried on by ours: it can be read while the server is frozen."""
    ahead = redis_time[0] * 1000 + redis_time[1] // 1000 - time.monotonic_ns() // 1_000_000
    return lambda: ahead + time.monotonic_ns() // 1_000_000


def of_kind(entries: Iterable[Entry], kind: str) -> Iterator[Entry]:
    return (entry for entry in entries if entry["kind"] == kind)
