"""Webhooks leave with the move that caused them: one entry per wanted event, with the job as it was then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from omni_jobs.schemas import Phase, Progress, Status
from omni_jobs.schemas.deliveries import Attempt
from omni_jobs.store import JobStore, Outcome
from tests.store.conftest import create, pass_time

URL = "https://example.org/hook"
NOW = datetime(2027, 1, 15, tzinfo=UTC)


def test_one_delivery_per_wanted_event(any_store: JobStore) -> None:
    silent = create(any_store)
    job = create(any_store, webhook={"url": URL, "events": ["job.started", "job.canceled"]}, priority=9)
    any_store.move("default", silent.id, Status.CANCELED)
    any_store.claim_next("w", ["tiny"], lease_seconds=10)
    pass_time(any_store, 1)
    any_store.move("default", job.id, Status.CANCELED)
    started, canceled = any_store.take_deliveries()
    assert started.job is not None
    assert (started.type, started.sequence, started.job.status) == ("job.started", 2, Status.RUNNING)
    assert canceled.job is not None
    assert (canceled.type, canceled.sequence, canceled.job.status) == ("job.canceled", 3, Status.CANCELED)
    assert {started.url, canceled.url} == {URL}
    assert started.id != canceled.id
    assert "." not in started.id
    assert canceled.job == any_store.get("default", job.id)


def test_a_delivery_comes_again_until_it_is_settled(any_store: JobStore) -> None:
    create(any_store, webhook={"url": URL})
    first = any_store.take_deliveries(lease_seconds=60)[0]
    assert any_store.take_deliveries() == []
    pass_time(any_store, 60)
    again = any_store.take_deliveries()[0]
    assert (again.id, again.tries, again.job) == (first.id, 2, first.job)
    failed = Attempt(at=NOW, duration_ms=12, status=503, error="HTTP 503")
    assert any_store.settle_delivery(first.id, "later", delay_seconds=5, attempt=failed)
    pass_time(any_store, 4)
    assert any_store.take_deliveries() == []
    pass_time(any_store, 1)
    assert any_store.take_deliveries()[0].error == "HTTP 503"
    assert any_store.settle_delivery(first.id, "delivered")
    assert not any_store.settle_delivery(first.id, "delivered")
    pass_time(any_store, 3600)
    assert any_store.take_deliveries() == []


def test_deliveries_outlive_the_record(any_store: JobStore) -> None:
    job = create(any_store, webhook={"url": URL, "events": ["job.canceled"]}, ttl_seconds=60)
    any_store.move("default", job.id, Status.CANCELED)
    pass_time(any_store, 61)
    assert any_store.reconcile().cleaned == 1
    (due,) = any_store.take_deliveries()
    assert due.job is not None
    assert due.job.status is Status.CANCELED


def test_progress_is_delivered_only_when_asked_for_and_not_too_often(any_store: JobStore) -> None:
    job = create(any_store, webhook={"url": URL, "events": ["job.progress"]})
    any_store.claim_next("w", ["tiny"], lease_seconds=60)
    for step in range(4):
        any_store.note_progress("default", job.id, 1, Progress(phase=Phase.DENOISE, step=step))
        pass_time(any_store, 0.3)
    deliveries = any_store.take_deliveries()
    notes = [delivery.job.progress for delivery in deliveries if delivery.job]
    assert [note and note.step for note in notes] == [0, 2]


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_progress_is_tried_once_whatever_comes_of_it(any_store: JobStore, outcome: Outcome) -> None:
    """A receiver that is down for a day must not get a day's progress after it, and nobody's log keeps it."""
    job = create(any_store, webhook={"url": URL, "events": ["job.progress"]})
    any_store.claim_next("w", ["tiny"], lease_seconds=60)
    any_store.note_progress("default", job.id, 1, Progress(phase=Phase.DENOISE, step=1))
    (due,) = any_store.take_deliveries()
    assert any_store.settle_delivery(due.id, outcome, delay_seconds=1)
    assert any_store.deliveries("default") == ([], None)
    assert any_store.stats()["deliveries"] == 0
