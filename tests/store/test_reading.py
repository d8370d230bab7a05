"""Lists, feeds, places in the queue and waiting, as users page through and watch them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from omni_jobs.errors import InvalidRequest, UnknownModel
from omni_jobs.schemas import Deployment, JobFilter, ModelCard, Phase, Progress, Status, Upload, WorkerInfo
from omni_jobs.store import JobStore, Ref
from tests.store.conftest import START_MS, create, pass_time


def worker(model: str, state: str) -> WorkerInfo:
    now = datetime.now(UTC)
    facts = {"id": "w", "host": "h", "models": {model: state}, "slots": 4, "started_at": now, "beat_at": now}
    return WorkerInfo.model_validate(facts)


def test_pages_hold_each_job_once_also_of_one_millisecond(any_store: JobStore) -> None:
    ids = [create(any_store, tags=["even"] if n % 2 == 0 else []).id for n in range(250)]
    pass_time(any_store, 1)
    ids += [create(any_store).id for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        jobs, cursor = any_store.list("default", cursor=cursor, limit=40)
        seen += [job.id for job in jobs]
        if cursor is None:
            break
    assert len(seen) == len(ids)
    assert set(seen) == set(ids)
    assert set(seen[:7]) == set(ids[-7:])
    assert len(any_store.list("default", JobFilter(tag="even"), limit=200)[0]) == 125


def test_lists_by_status_and_model(any_store: JobStore) -> None:
    first, second = create(any_store), create(any_store, model="other")
    any_store.move("default", first.id, Status.CANCELED)
    assert [job.id for job in any_store.list("default", JobFilter(status=Status.CANCELED))[0]] == [first.id]
    assert [job.id for job in any_store.list("default", JobFilter(status=Status.QUEUED))[0]] == [second.id]
    assert [job.id for job in any_store.list("default", JobFilter(model="other"))[0]] == [second.id]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "bm8"])
def test_a_foreign_cursor_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        store.list("default", cursor=cursor)


def test_the_feed_continues_where_it_was_left(any_store: JobStore) -> None:
    first = create(any_store)
    entries = any_store.feed("default")
    assert [(entry.event.job_id, entry.event.type.value) for entry in entries] == [(first.id, "job.queued")]
    second = create(any_store)
    any_store.move("default", first.id, Status.CANCELED)
    later = any_store.feed("default", entries[-1].cursor)
    assert [(entry.event.job_id, entry.event.sequence) for entry in later] == [(second.id, 1), (first.id, 2)]
    assert any_store.feed("default", later[-1].cursor) == []


def test_why_a_job_waits(stopped: JobStore) -> None:
    jobs = [create(stopped) for _ in range(4)]
    urgent = create(stopped, priority=9)

    def place(job_id: str) -> tuple[int, str]:
        waiting = stopped.waiting("default", job_id)
        assert waiting is not None
        return waiting.position, waiting.reason

    assert place(urgent.id) == (0, "no live worker serves tiny")
    stopped.beat_worker(worker("tiny", "loading"), 60)
    assert place(urgent.id) == (0, "loading")
    stopped.beat_worker(worker("tiny", "ready"), 60)
    assert place(urgent.id) == (0, "it is next")
    assert sorted(place(job.id) for job in jobs)[0][0] == 1
    create(stopped, account="other")
    assert place(urgent.id) == (1, "1 job is before it")
    stopped.forget_worker("w")
    assert stopped.workers() == []
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    assert stopped.waiting("default", urgent.id) is None


def test_waiters_hear_of_moves_and_progress(store: JobStore) -> None:
    job = create(store)
    assert store.wait("default", job.id, 0, 0) is True
    assert store.wait("default", job.id, 1, 0) is False
    woken: list[bool] = []
    waiters = [
        threading.Thread(target=lambda: woken.append(store.wait("default", job.id, 1, 60))) for _ in range(5)
    ]
    for waiter in waiters:
        waiter.start()
    store.claim_next("w", ["tiny"], lease_seconds=10)
    for waiter in waiters:
        waiter.join(30)
    assert woken == [True] * 5

    heard = threading.Event()
    undo = store.on_wake("default", job.id, heard.set)
    assert heard.wait(30)
    heard.clear()
    store.note_progress("default", job.id, 1, Progress(phase=Phase.DENOISE, step=1))
    assert heard.wait(30)
    undo()


def test_workers_hear_of_cancels_of_running_jobs(store: JobStore) -> None:
    heard: list[Ref] = []
    is_heard = threading.Event()

    def note(ref: Ref) -> None:
        heard.append(ref)
        is_heard.set()

    undo = store.on_cancel(note)
    probe = threading.Event()
    undo_probe = store.on_wake("default", "job_probe", probe.set)
    assert probe.wait(30)
    queued, running = create(store), create(store, priority=9)
    store.claim_next("w", ["tiny"], lease_seconds=10)
    store.move("default", queued.id, Status.CANCELED)
    store.move("default", running.id, Status.CANCELED)
    assert is_heard.wait(30)
    assert heard == [Ref("default", running.id)]
    undo()
    undo_probe()


def test_the_catalogue_outlives_workers_and_names_the_nearest(store: JobStore) -> None:
    with pytest.raises(UnknownModel, match="No worker has published"):
        store.card("tiny")
    card = ModelCard(name="tiny", tasks=("generate",), pipeline="P", parameters_schema={})
    store.publish_card(card)
    assert store.card("tiny") == card
    with pytest.raises(UnknownModel, match="Did you mean `tiny`"):
        store.card("tinny")
    store.forget_card("tiny")
    assert store.cards() == []


def test_uploads_and_deployment(store: JobStore) -> None:
    upload = Upload(
        id="upl_1", key="k", content_type="image/png", size_bytes=1, sha256="0", created_at=datetime.now(UTC)
    )
    store.add_upload("a", upload)
    assert store.find_input("a", "upl_1") == upload
    store.redis.expire(store.keys("upload", "a", "upl_1"), 10)
    store.keep_uploads("a", ["upl_1"])
    assert store.redis.ttl(store.keys("upload", "a", "upl_1")) > 10
    assert store.deployment() is None
    store.publish_deployment(Deployment(storage_url="s3://bucket"))
    assert store.deployment() == Deployment(storage_url="s3://bucket")


def test_times_are_the_servers(any_store: JobStore) -> None:
    assert create(any_store).created_at.timestamp() * 1000 == START_MS
