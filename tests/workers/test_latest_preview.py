"""The newest picture of a request is somebody's to take, and every other is removed."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from workers.engine_process import RenderRequest, RequestDropped, write_spool
from workers.engine_process.state import LatestPreview, Pending


def test_only_the_newest_is_kept_and_given_once(tmp_path: Path) -> None:
    latest = LatestPreview()
    first, second = (write_spool(tmp_path, bytes(12), (2, 2, 3)) for _ in range(2))
    latest.put(first)
    latest.put(second)
    assert not Path(first.path).exists()
    assert latest.take() == second
    assert latest.take() is None
    assert second.take() == bytes(12)


def test_the_end_of_a_request_removes_pictures_before_and_after_it(tmp_path: Path) -> None:
    pending = Pending(RenderRequest("req", "sim", "a fox"), Future())
    early, late = (write_spool(tmp_path, bytes(12), (2, 2, 3)) for _ in range(2))
    pending.preview.put(early)
    pending.end(RequestDropped())
    pending.preview.put(late)
    assert pending.preview.take() is None
    assert list(tmp_path.iterdir()) == []
