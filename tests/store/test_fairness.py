"""Who is served next: accounts share device time, nobody waits for ever, urgency and shape have their place."""

from __future__ import annotations

import secrets
from collections import deque
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Sharing, Status
from omni_jobs.settings import Settings
from omni_jobs.store import Claim, JobStore, connect
from omni_jobs.store.codec import moment
from tests.store.conftest import START_MS, create, pass_time


def claim(store: JobStore, models: tuple[str, ...] = ("tiny",), **options: Any) -> Claim | None:
    return store.claim_next("w", models, lease_seconds=1000, **options)


def claimed(store: JobStore, **options: Any) -> Claim:
    found = claim(store, **options)
    assert found is not None
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(costs=st.tuples(*[st.sampled_from((0.5, 1.0, 3.0, 10.0))] * 3), used=st.sampled_from((None, 0.25, 2.0)))
def test_backlogged_accounts_get_equal_device_time(
    redis_server: RedisServer, costs: tuple[float, ...], used: float | None
) -> None:
    """The bound of start-time fair queueing: two shares differ by at most one job of each account."""
    store = connect(Settings(redis_url=redis_server.url, key_prefix=f"fair{secrets.token_hex(6)}"))
    cost_of = dict(zip("abc", costs, strict=True))
    for account, cost in cost_of.items():
        for _ in range(30):
            create(store, account=account, cost_seconds=cost)
    spent = dict.fromkeys(cost_of, 0.0)
    real = {account: cost if used is None else used * cost for account, cost in cost_of.items()}
    for _ in range(30):
        job = claimed(store)
        spent[job.account] += real[job.account]
        sharing = Sharing(device_seconds=real[job.account])
        store.move(job.account, job.job_id, Status.SUCCEEDED, attempt=1, sharing=sharing)
        assert max(spent.values()) - min(spent.values()) <= 2 * max(real.values()) + 1e-6
    store.close()


def test_an_account_with_one_job_is_not_behind_a_flood(any_store: JobStore) -> None:
    for _ in range(100):
        create(any_store, account="flood", priority=9)
    assert claimed(any_store).account == "flood"
    create(any_store, account="quiet", priority=0)
    assert "quiet" in {claimed(any_store).account for _ in range(2)}


def test_a_hundred_to_one_flood_leaves_the_shares_within_a_tenth(any_store: JobStore) -> None:
    """Eight slots, jobs of any length, every guess of it wrong: half of the device stays the quiet account's."""
    random = Random(1)
    for _ in range(1000):
        create(any_store, account="flood", priority=9, cost_seconds=0.3)
    in_flight: deque[Claim] = deque()
    spent = {"flood": 0.0, "quiet": 0.0}
    waiting = 0
    for _ in range(400):
        while waiting < 10:
            create(any_store, account="quiet", priority=0, cost_seconds=5)
            waiting += 1
        job = claimed(any_store)
        waiting -= job.account == "quiet"
        in_flight.append(job)
        if len(in_flight) == 8:
            ended = in_flight.popleft()
            seconds = random.uniform(0.5, 1.5) if ended.account == "flood" else random.uniform(1, 3)
            spent[ended.account] += seconds
            sharing = Sharing(device_seconds=seconds)
            any_store.move(ended.account, ended.job_id, Status.SUCCEEDED, attempt=1, sharing=sharing)
    assert 0.45 <= spent["quiet"] / sum(spent.values()) <= 0.55


def test_leaving_and_coming_back_gains_nothing(any_store: JobStore) -> None:
    for _ in range(10):
        create(any_store, account="steady", cost_seconds=1)
    order = []
    for _ in range(10):
        create(any_store, account="hopper", cost_seconds=1)
        order.append(claimed(any_store).account)
    assert order.count("hopper") in {5, 6}


def test_no_priority_waits_for_ever(any_store: JobStore) -> None:
    """In a flood of the highest priority, nothing that came twenty minutes later goes before the lowest."""
    lowest = create(any_store, priority=0)
    for _ in range(60):
        create(any_store, priority=9)
        create(any_store, priority=9)
        first = claimed(any_store)
        if first.job_id == lowest.id:
            return
        assert first.created_ms <= START_MS + 20 * 60_000
        pass_time(any_store, 60)
    pytest.fail("the job of priority 0 was never served")


def test_higher_priority_first_then_the_older(any_store: JobStore) -> None:
    old = create(any_store, priority=5)
    pass_time(any_store, 1)
    young, urgent = create(any_store, priority=5), create(any_store, priority=6)
    assert [claimed(any_store).job_id for _ in range(3)] == [urgent.id, old.id, young.id]


def test_levels_of_equal_rank_are_served_by_due_time(any_store: JobStore) -> None:
    lower = create(any_store, priority=5)
    pass_time(any_store, 121)
    higher = create(any_store, priority=6)
    assert [claimed(any_store).job_id for _ in range(2)] == [lower.id, higher.id]


def test_a_near_deadline_goes_before_age(any_store: JobStore) -> None:
    old = create(any_store)
    pass_time(any_store, 60)
    deadline = moment(any_store.scripts.clock_ms or 0) + timedelta(minutes=2)
    pressed = create(any_store, deadline=deadline.isoformat())
    assert [claimed(any_store).job_id for _ in range(2)] == [pressed.id, old.id]


def test_reserved_slots_take_only_high_priorities(any_store: JobStore) -> None:
    create(any_store, priority=5)
    pass_time(any_store, 3600)
    assert claim(any_store, min_priority=8) is None
    high = create(any_store, priority=8)
    assert claimed(any_store, min_priority=8).job_id == high.id


def test_shape_decides_among_equals_only(any_store: JobStore) -> None:
    first, second = create(any_store, shape="s"), create(any_store, shape="t")
    assert claimed(any_store, shapes=["t"]).job_id == second.id
    pass_time(any_store, 6)
    create(any_store, shape="t")
    assert claimed(any_store, shapes=["t"]).job_id == first.id


def test_models_of_one_worker_take_turns(any_store: JobStore) -> None:
    for _ in range(10):
        create(any_store, model="big", cost_seconds=4)
        create(any_store, model="small", cost_seconds=1)
    served = [claimed(any_store, models=("big", "small")).request.model for _ in range(10)]
    assert served.count("big") == 2


def test_a_suspect_is_given_to_an_empty_worker_only(any_store: JobStore) -> None:
    suspect = create(any_store)
    for attempt in (1, 2):
        assert claimed(any_store).attempt == attempt
        any_store.move("default", suspect.id, Status.QUEUED, attempt=attempt, crashed=True, reason="engine died")
    assert claim(any_store) is None
    waiting = any_store.waiting("default", suspect.id)
    assert waiting is not None
    assert waiting.reason.startswith("no live worker")
    assert claimed(any_store, alone=True).crashes == 2
