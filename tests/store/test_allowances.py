"""Limits and usage in the store: nobody takes more than they may, and what was taken is written down."""

from __future__ import annotations

from typing import Any

import pytest

from omni_jobs import queue
from omni_jobs.errors import InvalidRequest, NotFound, QueueFull, QuotaExceeded, RateLimited
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Artifact, JobRequest, Sharing, Status
from omni_jobs.schemas.access import Limits
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from omni_jobs.store.pressure import memory_share
from tests.api.conftest import card, job_body
from tests.store.conftest import create, pass_time

DAY_SECONDS = 86_400
PICTURE = {"key": "k", "content_type": "image/png", "sha256": "", "seed": 1}


def submit(store: JobStore, account: str = "ann", **options: Any) -> str:
    request = JobRequest.model_validate({"model": "tiny", "prompt": "a hill"})
    return store.create(request, account=account, seed=1, fingerprint="f", **options)[0].id


def run(store: JobStore, job_id: str, *, device_seconds: float, size_bytes: int = 0) -> None:
    claim = store.claim_next("w", ["tiny"], lease_seconds=1000)
    assert claim is not None
    assert claim.job_id == job_id
    made = [Artifact(id="art_1_0", index=0, size_bytes=size_bytes, **PICTURE)] if size_bytes else []
    store.move(
        claim.account,
        job_id,
        Status.SUCCEEDED,
        attempt=claim.attempt,
        artifacts=made,
        sharing=Sharing(device_seconds=device_seconds),
    )


def test_a_minute_holds_so_many_requests_and_no_more(any_store: JobStore) -> None:
    _, text = any_store.issue_key("ann")
    limits = Limits(requests_per_minute=6)
    left = [any_store.admit(text, limits).allowance for _ in range(6)]
    assert [one.remaining for one in left if one] == [5, 4, 3, 2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        any_store.admit(text, limits)
    assert refused.value.retry_after_seconds == pytest.approx(10)
    pass_time(any_store, 9.9)
    with pytest.raises(RateLimited):
        any_store.admit(text, limits)
    pass_time(any_store, 0.1)
    any_store.admit(text, limits)
    with pytest.raises(RateLimited):
        any_store.admit(text, limits)


def test_keys_of_an_account_share_its_limit_and_may_have_narrower_ones(any_store: JobStore) -> None:
    (wide, wide_text), (narrow, narrow_text) = any_store.issue_key("ann"), any_store.issue_key("ann")
    any_store.set_limits("ann", {"requests_per_minute": 5})
    any_store.set_limits(any_store.owner_of(narrow.id), {"requests_per_minute": 1})
    any_store.admit(narrow_text)
    with pytest.raises(RateLimited, match=narrow.id):
        any_store.admit(narrow_text)
    for _ in range(4):
        any_store.admit(wide_text)
    with pytest.raises(RateLimited) as refused:
        any_store.admit(wide_text)
    assert wide.id not in str(refused.value)
    any_store.admit(any_store.issue_key("bob")[1], Limits(requests_per_minute=1))
    any_store.set_limits("ann", {"requests_per_minute": "none"})
    assert any_store.admit(wide_text, Limits(requests_per_minute=1)).allowance is None


def test_refused_requests_cost_nothing(any_store: JobStore) -> None:
    key, text = any_store.issue_key("ann")
    limits = Limits(requests_per_minute=1)
    any_store.admit(text, limits)
    for _ in range(50):
        with pytest.raises(RateLimited):
            any_store.admit(text, limits)
    (today,) = any_store.usage(f"ann/{key.id}")
    assert today.requests == 1
    pass_time(any_store, 60)
    any_store.admit(text, limits)


def test_an_account_may_queue_so_many_jobs(any_store: JobStore) -> None:
    limits = Limits(queued_jobs=2)
    first = submit(any_store, limits=limits)
    submit(any_store, limits=limits)
    with pytest.raises(QueueFull, match="ann has 2"):
        submit(any_store, limits=limits)
    submit(any_store, "bob", limits=limits)
    run(any_store, first, device_seconds=1)
    submit(any_store, limits=limits)
    any_store.set_limits("ann", {"queued_jobs": "none"})
    submit(any_store, limits=limits)


@pytest.mark.parametrize("owner", ["account", "key"])
def test_device_seconds_of_a_day(any_store: JobStore, owner: str) -> None:
    key, _ = any_store.issue_key("ann")
    any_store.set_limits("ann" if owner == "account" else f"ann/{key.id}", {"device_seconds_per_day": 10})
    run(any_store, submit(any_store, key_id=key.id), device_seconds=9)
    run(any_store, submit(any_store, key_id=key.id), device_seconds=9)
    with pytest.raises(QuotaExceeded, match="used 18 of 10") as refused:
        submit(any_store, key_id=key.id)
    assert 0 < (refused.value.retry_after_seconds or 0) <= DAY_SECONDS
    if owner == "key":
        submit(any_store)
    pass_time(any_store, refused.value.retry_after_seconds or 0)
    submit(any_store, key_id=key.id)


def test_calling_off_at_the_last_moment_is_not_free(any_store: JobStore) -> None:
    job = submit(any_store, cost_seconds=3)
    any_store.move("ann", submit(any_store, cost_seconds=5), Status.CANCELED)
    assert any_store.usage("ann")[0].device_seconds == 0
    assert any_store.claim_next("w", ["tiny"], lease_seconds=1000) is not None
    any_store.move("ann", job, Status.CANCELED)
    assert any_store.usage("ann")[0].device_seconds == 3


def test_bytes_of_a_day_are_uploads_and_outputs(any_store: JobStore) -> None:
    limits = Limits(bytes_per_day=100)
    any_store.reserve_bytes("ann", 60, limits=limits)
    with pytest.raises(QuotaExceeded):
        any_store.reserve_bytes("ann", 50, limits=limits)
    any_store.reserve_bytes("ann", 10, limits=limits)
    run(any_store, submit(any_store, limits=limits), device_seconds=1, size_bytes=40)
    with pytest.raises(QuotaExceeded, match="used 110 of 100"):
        submit(any_store, limits=limits)
    submit(any_store, "bob", limits=limits)


def test_usage_is_by_account_and_key_and_day(any_store: JobStore) -> None:
    key, text = any_store.issue_key("ann")
    any_store.admit(text)
    run(any_store, submit(any_store, key_id=key.id), device_seconds=1.5, size_bytes=7)
    any_store.move("ann", submit(any_store), Status.CANCELED)
    (account,), (mine,) = any_store.usage("ann"), any_store.usage(f"ann/{key.id}")
    assert (account.jobs, account.succeeded, account.canceled, account.outputs) == (2, 1, 1, 1)
    assert (mine.requests, mine.jobs, mine.succeeded, mine.canceled) == (1, 1, 1, 0)
    assert (mine.device_seconds, mine.bytes) == (1.5, 7)
    pass_time(any_store, DAY_SECONDS)
    create(any_store, account="ann")
    assert [day.jobs for day in any_store.usage("ann", days=3)] == [1, 2]


def test_limits_are_named_or_refused(store: JobStore) -> None:
    key, _ = store.issue_key("ann")
    with pytest.raises(InvalidRequest, match="`requests`"):
        store.set_limits("ann", {"requests": 1})
    with pytest.raises(InvalidRequest, match="queued_jobs"):
        store.set_limits(store.owner_of(key.id), {"queued_jobs": 1})
    with pytest.raises(NotFound):
        store.owner_of("key_000000000000")
    store.set_limits("ann", {"queued_jobs": 1})
    store.set_limits("ann", {"queued_jobs": None})
    assert store.own_limits("ann") == {}


def test_new_jobs_are_refused_before_redis_is_full(redis_server: RedisServer, key_prefix: str) -> None:
    settings = Settings(redis_url=redis_server.url, key_prefix=key_prefix)
    store, later = connect(settings), connect(settings)
    store.publish_card(card())
    job, _ = queue.submit(store, job_body())
    used = store.redis.info("memory")["used_memory"]
    store.redis.config_set("maxmemory", round(used * 1.1))
    try:
        with pytest.raises(QueueFull, match="of its memory"):
            queue.submit(later, job_body())
        claim = later.claim_next("w", ["paper"], lease_seconds=10)
        assert claim is not None
        assert later.move("default", job.id, Status.CANCELED).is_finished
    finally:
        store.redis.config_set("maxmemory", 0)
        store.close()
        later.close()


def test_memory_is_measured_by_the_servers_limit_else_the_machines() -> None:
    assert memory_share({"used_memory": 50, "maxmemory": 100, "total_system_memory": 1000}) == 0.5
    assert memory_share({"used_memory": 50, "maxmemory": 0, "total_system_memory": 1000}) == 0.05
    assert memory_share({"used_memory": 50}) == 0
