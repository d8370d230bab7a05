"""A worker's spool folder: its own, and swept once it is dead."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from workers import spool_folder
from workers.spool_folder import own_spool


def test_what_a_dead_process_left_is_swept_and_what_a_live_one_has_is_not(tmp_path: Path) -> None:
    dead, live = own_spool(tmp_path), own_spool(tmp_path)
    (dead / "image.raw").write_bytes(b"left")
    spool_folder._locks.pop(-2).close()
    mine = own_spool(tmp_path)
    assert not dead.exists()
    assert live.is_dir()
    assert set(tmp_path.iterdir()) == {live, mine}


def test_who_starts_at_the_same_moment_leaves_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Path] = []
    lock_file = fcntl.flock

    def flock(file: Any, operation: int) -> None:
        """Another process starts, and sweeps, when ours has its folder and not yet its lock."""
        monkeypatch.setattr(fcntl, "flock", lock_file)
        found.append(own_spool(tmp_path))
        lock_file(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    found.append(own_spool(tmp_path))
    assert len(set(found)) == 2
    assert all((folder / "lock").exists() for folder in found)
