"""Collection takes what no record names, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omni_jobs.errors import NotFound
from omni_jobs.schemas import Status, Upload
from omni_jobs.store import JobStore
from omni_jobs.upkeep.orphans import delete_finished, delete_orphans, find_finished, find_orphans
from storage import LocalStore
from tests.store.conftest import create
from tests.upkeep.test_damage import succeed

SOON = timedelta(minutes=1)


@pytest.fixture
def objects(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


def in_a_minute() -> datetime:
    return datetime.now(UTC) + SOON


def test_only_what_nothing_names_goes(store: JobStore, objects: LocalStore) -> None:
    done = succeed(store, objects)
    waiting = create(store)
    upload = Upload(
        id="upl_1",
        key="uploads/default/upl_1",
        content_type="image/png",
        size_bytes=1,
        sha256="0" * 64,
        created_at=datetime.now(UTC),
    )
    store.add_upload("default", upload)
    kept = [done.artifacts[0].key, f"out/default/{waiting.id}/1/0.png", f"checkpoints/default/{waiting.id}/1.st",
            upload.key, "elsewhere/1"]  # fmt: skip
    gone = {
        f"out/default/{done.id}/2/0.png": "its attempt did not end the job",
        f"checkpoints/default/{done.id}/1.st": "its job has ended",
        "out/default/job_00/1/0.png": "its job is gone",
        "checkpoints/default/job_00/1.st": "its job is gone",
        "uploads/default/upl_2": "its upload was forgotten",
    }
    for key in (*kept[1:], *gone):
        objects.put(key, b"x")
    assert list(find_orphans(store, objects, datetime.now(UTC) - SOON)) == [], "young objects are left alone"
    found = list(find_orphans(store, objects, in_a_minute()))
    assert {one.key: one.why for one in found} == gone
    delete_orphans(objects, found)
    assert {one.key for one in objects.list()} == set(kept)


def test_finished_jobs_go_before_their_time(store: JobStore, objects: LocalStore) -> None:
    done, canceled = succeed(store, objects), store.move("default", create(store).id, Status.CANCELED)
    waiting = create(store)
    assert not list(find_finished(store, datetime.now(UTC) - SOON))
    old = list(find_finished(store, in_a_minute()))
    assert {job.id for job in old} == {done.id, canceled.id}
    delete_finished(store, objects, old)
    delete_finished(store, objects, old)
    assert list(objects.list()) == []
    for job in old:
        with pytest.raises(NotFound):
            store.get("default", job.id)
    assert store.get("default", waiting.id).status is Status.QUEUED
