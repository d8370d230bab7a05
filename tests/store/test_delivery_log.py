"""The log of deliveries: what came of each, pages of them, sending them again, and how much is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omni_jobs.errors import NotFound
from omni_jobs.schemas import Job, Status
from omni_jobs.schemas.deliveries import TEST, Attempt, DeliveryState
from omni_jobs.store import Delivery, DeliveryFilter, JobStore, Outcome
from tests.store.conftest import START_MS, create, pass_time

URL = "https://example.org/hook?token=hidden"
START = datetime.fromtimestamp(START_MS / 1000, UTC)
OK = Attempt(at=START, duration_ms=12, status=200)
DOWN = Attempt(at=START, duration_ms=7, status=503, error="HTTP 503: down")
GIVEN_UP = DeliveryFilter(state=DeliveryState.GIVEN_UP)


def canceled(store: JobStore, url: str = URL, account: str = "default") -> Job:
    """A job with one delivery, made a second after the one before."""
    pass_time(store, 1)
    job = create(store, account=account, webhook={"url": url, "events": ["job.canceled"]})
    return store.move(account, job.id, Status.CANCELED)


def listed(store: JobStore, wanted: DeliveryFilter, account: str = "default") -> list[str | None]:
    return [one.job_id for one in store.deliveries(account, wanted)[0]]


def test_every_try_is_told_and_the_url_without_what_is_secret(any_store: JobStore) -> None:
    job = canceled(any_store)
    (due,) = any_store.take_deliveries()
    any_store.settle_delivery(due.id, "later", delay_seconds=300, attempt=DOWN)
    ((waits,), _) = any_store.deliveries("default")
    assert (waits.state, waits.tries, waits.attempts, waits.error) == ("waiting", 1, (DOWN,), DOWN.error)
    assert waits.next_attempt_at == START + timedelta(seconds=301)
    pass_time(any_store, 300)
    any_store.take_deliveries()
    any_store.settle_delivery(due.id, "delivered", attempt=OK)
    ((ended,), _) = any_store.deliveries("default")
    assert (ended.state, ended.tries, ended.attempts, ended.error) == ("delivered", 2, (DOWN, OK), None)
    assert (ended.job_id, ended.type, ended.url) == (job.id, "job.canceled", "https://example.org/hook?...")
    assert ended.next_attempt_at is None
    assert ended.ended_at == START + timedelta(seconds=301)


def test_pages_and_filters(any_store: JobStore) -> None:
    other = "https://example.org/other"
    jobs = [canceled(any_store, other if number % 2 else URL) for number in range(6)]
    canceled(any_store, account="neighbour")
    for number, one in enumerate(any_store.take_deliveries()):
        any_store.settle_delivery(one.id, ("delivered", "given_up", "later")[number % 3], delay_seconds=60)
    newest = [job.id for job in reversed(jobs)]
    assert listed(any_store, DeliveryFilter()) == newest
    first, cursor = any_store.deliveries("default", limit=4)
    rest, last = any_store.deliveries("default", cursor=cursor, limit=4)
    assert [one.job_id for one in first + rest] == newest
    assert last is None
    assert listed(any_store, GIVEN_UP) == [jobs[4].id, jobs[1].id]
    assert listed(any_store, DeliveryFilter(url=other)) == [jobs[5].id, jobs[3].id, jobs[1].id]
    assert listed(any_store, DeliveryFilter(job_id=jobs[2].id)) == [jobs[2].id]
    assert listed(any_store, DeliveryFilter(type="job.failed")) == []
    times = DeliveryFilter(since=START + timedelta(seconds=2), until=START + timedelta(seconds=4))
    assert listed(any_store, times) == [jobs[2].id, jobs[1].id]


def test_what_ended_is_sent_again_under_its_id_and_nobody_elses(any_store: JobStore) -> None:
    jobs = [canceled(any_store) for _ in range(4)]
    order = [job.id for job in jobs]  # those of one millisecond are taken in any order

    def take() -> list[Delivery]:
        return sorted(any_store.take_deliveries(), key=lambda one: order.index(one.job_id))

    taken = take()
    outcomes: tuple[Outcome, ...] = ("delivered", "given_up", "later")
    for one, outcome in zip(taken, outcomes, strict=False):
        any_store.settle_delivery(one.id, outcome, delay_seconds=600, attempt=DOWN)
    ids = [one.id for one in taken]
    assert any_store.replay("neighbour", ids) == []
    # The last is with a courier: it is on its way.
    assert any_store.replay("default", [*ids, "evt_1_1"]) == ids[:3]
    again = take()
    assert [(one.id, one.tries) for one in again] == [(one, 1) for one in ids[:3]]
    assert again[0].job == taken[0].job
    for one in again:
        any_store.settle_delivery(one.id, "given_up", attempt=DOWN)
    assert any_store.replay_all("default", DeliveryFilter(since=START + timedelta(seconds=2))) == ids[2:0:-1]
    assert any_store.replay_all("default", GIVEN_UP) == ids[:1]
    assert any_store.stats()["dead_deliveries"] == 0
    assert len(any_store.delivery("default", ids[0])[0].attempts) == 2
    assert len(jobs) == any_store.stats()["deliveries"]


def test_who_comes_late_ends_nothing_twice(any_store: JobStore) -> None:
    """Two couriers had it, one after the other's lease; the first one's failure does not undo a delivery."""
    canceled(any_store)
    (due,) = any_store.take_deliveries()
    any_store.settle_delivery(due.id, "delivered", attempt=OK)
    assert not any_store.settle_delivery(due.id, "given_up", attempt=DOWN)
    assert any_store.delivery("default", due.id)[0].attempts == (OK,)


def test_little_is_kept_and_not_for_ever(any_store: JobStore) -> None:
    for _ in range(1010):
        job = create(any_store, webhook={"url": URL, "events": ["job.canceled"]})
        any_store.move("default", job.id, Status.CANCELED)
    for one in any_store.take_deliveries(2000):
        any_store.settle_delivery(one.id, "delivered", attempt=OK)
    delivered = any_store.keys("deliveries", "default", "delivered")
    assert any_store.redis.zcard(delivered) == 1000
    lost = canceled(any_store)
    (due,) = any_store.take_deliveries()
    any_store.settle_delivery(due.id, "given_up", attempt=DOWN)
    pass_time(any_store, 3 * 24 * 3600 + 1)
    for _ in range(60):
        any_store.take_deliveries()
    assert listed(any_store, DeliveryFilter()) == [lost.id]
    pass_time(any_store, 27 * 24 * 3600)
    any_store.take_deliveries()
    left = {key.decode() for key in any_store.redis.keys(f"{any_store.keys.prefix}:*")}
    assert not [key for key in left if ":deliver" in key or ":tries" in key or ":outbox" in key]


def test_with_a_job_goes_what_was_told_of_it(any_store: JobStore) -> None:
    kept, deleted = canceled(any_store), canceled(any_store)
    late = canceled(any_store)
    taken = any_store.take_deliveries(2)
    for one in taken:
        any_store.settle_delivery(one.id, "delivered", attempt=OK)
    any_store.delete("default", deleted.id)
    any_store.delete("default", late.id)
    assert listed(any_store, DeliveryFilter()) == [late.id, kept.id]
    (due,) = any_store.take_deliveries()
    any_store.settle_delivery(due.id, "delivered", attempt=OK)
    assert listed(any_store, DeliveryFilter()) == [kept.id]


def test_with_a_job_that_expired_goes_what_was_told_of_it(any_store: JobStore) -> None:
    """Also if the server dropped the record before the sweep; what is on its way is sent, then forgotten."""
    hook = {"url": URL, "events": ["job.queued", "job.succeeded"]}
    copies = [{"url": "https://bucket.example/k"}]
    job = create(any_store, webhook=hook, copies=copies, ttl_seconds=60)
    any_store.claim_next("w", ["tiny"], lease_seconds=10)
    any_store.move("default", job.id, Status.SUCCEEDED, attempt=1)
    kept = canceled(any_store)
    for one in any_store.take_deliveries():
        if one.type != "job.succeeded":
            any_store.settle_delivery(one.id, "given_up", attempt=DOWN)
    keys = any_store.keys
    any_store.redis.delete(*(keys(name, "default", job.id) for name in ("job", "request", "events", "result")))
    pass_time(any_store, 3600)
    assert any_store.reconcile().cleaned == 1
    (waits,), _ = any_store.deliveries("default", DeliveryFilter(job_id=job.id))
    assert (waits.type, waits.state) == ("job.succeeded", "waiting")
    any_store.settle_delivery(waits.id, "given_up", attempt=DOWN)
    assert listed(any_store, DeliveryFilter()) == [kept.id]
    assert not [key for key in any_store.redis.keys(f"{keys.prefix}:*") if job.id[4:].encode() in key]


def test_a_test_event_concerns_no_job(any_store: JobStore) -> None:
    sent = any_store.post_test("default", URL)
    (due,) = any_store.take_deliveries()
    assert (due.id, due.type, due.job, due.url) == (sent, TEST, None, URL)
    view, _ = any_store.delivery("default", sent)
    assert (view.type, view.job_id) == (TEST, None)
    with pytest.raises(NotFound, match=sent):
        any_store.delivery("neighbour", sent)
