"""`fsck` finds damage that is done to a store by hand, mends what is safe, and leaves a healthy one alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, Job, Status
from omni_jobs.store import JobStore
from omni_jobs.upkeep.damage import find_damage
from storage import LocalStore
from tests.store.conftest import create

PIXELS = b"pixels"


@pytest.fixture
def objects(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


@pytest.fixture
def jobs(store: JobStore, objects: LocalStore) -> dict[str, Job]:
    """One job of each kind: succeeded, canceled, running, crashed twice, held, queued with a deadline."""
    made = {"succeeded": succeed(store, objects)}
    made["canceled"] = store.move("default", create(store).id, Status.CANCELED)
    create(store)
    running = store.claim_next("w", ["tiny"], lease_seconds=600)
    assert running is not None
    made["running"] = store.get("default", running.job_id)
    made["alone"] = crash_twice(store, create(store, account="other"))
    made["held"] = create(store, not_before=moment(600))
    made["queued"] = create(store, deadline=moment(900))
    return made


def moment(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def succeed(store: JobStore, objects: LocalStore, job: Job | None = None) -> Job:
    job = job or create(store)
    claim = store.claim_next("w", ["tiny"], lease_seconds=600)
    assert claim is not None
    key = f"out/default/{job.id}/1/0.png"
    objects.put(key, PIXELS, content_type="image/png")
    artifact = Artifact(
        id=artifact_id(job.id, 0), index=0, key=key, content_type="image/png", size_bytes=len(PIXELS),
        sha256=hashlib.sha256(PIXELS).hexdigest(), seed=1,
    )  # fmt: skip
    return store.move("default", job.id, Status.SUCCEEDED, attempt=1, artifacts=[artifact])


def crash_twice(store: JobStore, job: Job) -> Job:
    for _ in range(2):
        claim = store.claim_next("w", ["tiny"], lease_seconds=600)
        assert claim is not None
        job = store.move(job.account, job.id, Status.QUEUED, attempt=claim.attempt, crashed=True)
    return job


def test_a_healthy_service_has_no_damage(store: JobStore, jobs: dict[str, Job], objects: LocalStore) -> None:
    assert list(find_damage(store, objects)) == []


Harm = Callable[[JobStore, dict[str, Job]], object]


def drop(index: str, *parts: str) -> Harm:
    """Delete a whole index, as a careless operator would."""
    return lambda store, jobs: store.redis.delete(store.keys(index, *parts))


def lose_record(kind: str) -> Harm:
    return lambda store, jobs: store.redis.delete(store.keys("job", jobs[kind].account, jobs[kind].id))


#: What is done by hand, and the damage that must be found and mended.
HARMS: list[tuple[str, Harm]] = [
    ("no_lease", drop("leases")),
    ("not_ready", drop("delayed")),
    ("not_ready", drop("ready", "default", "5", "tiny")),
    ("not_ready", drop("waiting", "tiny")),
    ("not_ready", drop("turns", "tiny")),
    ("not_ready", drop("turns", "")),
    ("not_ready", drop("alone", "tiny")),
    ("no_deadline", drop("deadlines")),
    ("kept_for_ever", drop("expiring")),
    ("not_listed", drop("account_jobs", "default")),
    ("not_listed", drop("status_jobs", "default", "queued")),
    ("count_wrong", lambda store, jobs: store.redis.set(store.keys("queued_count"), 99)),
    *(("record_missing", lose_record(kind)) for kind in ("succeeded", "running", "alone", "held", "queued")),
    ("index_stale", lambda store, jobs: store.redis.zadd(
        store.keys("leases"), {f"default/{jobs['queued'].id}": 1})),
    ("index_stale", lambda store, jobs: store.redis.zadd(
        store.keys("status_jobs", "default", "failed"), {jobs["succeeded"].id: 1})),
    ("index_stale", lambda store, jobs: store.redis.zadd(
        store.keys("waiting", "tiny"), {f"default/{jobs['succeeded'].id}": 1})),
    ("record_missing", lambda store, jobs: store.redis.set(store.keys("request", "default", "job_0"), "{}")),
    ("delivery_missing", lambda store, jobs: store.redis.zadd(store.keys("outbox"), {"evt_1": 1})),
    ("delivery_forgotten", lambda store, jobs: store.redis.hset(store.keys("delivery", "evt_2"), "id", "evt_2")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "harm"), HARMS)
def test_harm_is_found_and_mended(
    store: JobStore, jobs: dict[str, Job], objects: LocalStore, code: str, harm: Harm
) -> None:
    harm(store, jobs)
    found = list(find_damage(store, objects))
    assert code in {one.code for one in found}
    assert not any(one.is_mended for one in found), "by itself it only looks"
    assert [one.code for one in find_damage(store, objects)] == [one.code for one in found]
    list(find_damage(store, objects, mend=True))
    assert list(find_damage(store, objects)) == []


def test_mended_jobs_run(store: JobStore, jobs: dict[str, Job]) -> None:
    for name, *parts in (("ready", "default", "5", "tiny"), ("waiting", "tiny"), ("turns", "tiny"), ("turns", "")):
        store.redis.delete(store.keys(name, *parts))
    assert store.claim_next("w", ["tiny"], lease_seconds=60) is None
    list(find_damage(store, None, mend=True))
    claim = store.claim_next("w", ["tiny"], lease_seconds=60)
    assert claim is not None
    assert claim.job_id == jobs["queued"].id


@pytest.mark.parametrize(
    ("code", "harm"),
    [
        ("object_missing", lambda store, objects, job: objects.delete(job.artifacts[0].key)),
        ("object_damaged", lambda store, objects, job: objects.put(job.artifacts[0].key, b"other")),
        ("events_incomplete", lambda store, _, job: store.redis.rpop(store.keys("events", "default", job.id))),
        ("request_missing", lambda store, _, job: store.redis.delete(store.keys("request", "default", job.id))),
    ],
)  # fmt: skip
def test_what_cannot_be_mended_is_told(
    store: JobStore, objects: LocalStore, code: str, harm: Callable[[JobStore, LocalStore, Job], object]
) -> None:
    harm(store, objects, succeed(store, objects))
    for _ in range(2):
        assert code in {one.code for one in find_damage(store, objects, mend=True) if not one.is_mended}


def test_records_of_a_later_version_are_left_alone(store: JobStore) -> None:
    job = create(store)
    store.redis.hset(store.keys("job", "default", job.id), "v", 99)
    store.redis.delete(store.keys("waiting", "tiny"))
    (found,) = find_damage(store, None, mend=True)
    assert (found.code, found.is_mended) == ("newer_version", False)
    assert not store.redis.exists(store.keys("waiting", "tiny"))
