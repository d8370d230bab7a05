"""What time does: leases, leadership, frozen servers, lost doorbells, old records."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omni_jobs.errors import NotFound
from omni_jobs.names import Keys
from omni_jobs.schemas import Status, WorkerInfo
from omni_jobs.store import JobStore
from tests.store.conftest import create, pass_time


def beat(store: JobStore, *, in_flight: int = 0, worker: str = "w", state: str = "ready") -> None:
    now = datetime.now(UTC)
    info = WorkerInfo.model_validate(
        {
            "id": worker,
            "host": "h",
            "models": {"tiny": "ready"},
            "slots": 4,
            "in_flight": in_flight,
            "state": state,
            "started_at": now,
            "beat_at": now,
        }
    )
    store.beat_worker(info, 60)


def test_one_process_leads(stopped: JobStore) -> None:
    other = JobStore(stopped.redis, Keys(stopped.keys.prefix))
    assert stopped.reconcile().is_leader
    assert not other.reconcile().is_leader
    assert stopped.reconcile().is_leader
    stopped.redis.delete(stopped.keys("leader"))
    assert other.reconcile().is_leader


def test_an_ended_lease_puts_the_job_back_and_rings(stopped: JobStore) -> None:
    job = create(stopped)
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    pass_time(stopped, 10)
    swept = stopped.reconcile()
    assert (swept.released, [str(ring.ref) for ring in swept.rings]) == (1, [f"default/{job.id}"])
    assert stopped.get("default", job.id).status is Status.QUEUED


def test_after_a_frozen_server_owners_get_time_to_renew(stopped: JobStore) -> None:
    jobs = [create(stopped) for _ in range(3)]
    for _ in jobs:
        stopped.claim_next("w", ["tiny"], lease_seconds=10)
    stopped.reconcile()
    pass_time(stopped, 30)
    swept = stopped.reconcile(grace_seconds=10)
    assert (swept.is_in_grace, swept.released) == (True, 0)
    assert stopped.renew("w", [("default", job.id, 1) for job in jobs[:2]], 60) == set()
    pass_time(stopped, 10)
    assert stopped.reconcile(grace_seconds=10).released == 1


def test_slow_sweeps_do_not_hold_up_takeovers_for_ever(stopped: JobStore) -> None:
    create(stopped)
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    released = 0
    for _ in range(4):
        released += stopped.reconcile(grace_seconds=10).released
        pass_time(stopped, 20)
    assert released == 1


def test_lost_doorbells_are_rung_again_ever_more_rarely(stopped: JobStore) -> None:
    for _ in range(6):
        create(stopped)
    assert stopped.reconcile().rings == ()
    rings = []
    for _ in range(30):
        pass_time(stopped, 5)
        beat(stopped, in_flight=1)
        rings.append(len(stopped.reconcile().rings))
    assert rings[:8] == [0, 3, 0, 3, 0, 0, 0, 3]
    assert sum(rings) == 15
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    assert len(stopped.reconcile().rings) == 3


@pytest.mark.parametrize(("in_flight", "state"), [(4, "ready"), (0, "draining"), (0, "starting")])
def test_nobody_rings_where_no_slot_is_free(stopped: JobStore, in_flight: int, state: str) -> None:
    create(stopped)
    beat(stopped, in_flight=in_flight, state=state)
    pass_time(stopped, 60)
    assert stopped.reconcile().rings == ()


def test_held_jobs_are_rung_when_their_time_comes(stopped: JobStore) -> None:
    create(stopped, not_before="2027-01-15T08:00:20Z")
    pass_time(stopped, 19)
    assert stopped.reconcile().promoted == 0
    pass_time(stopped, 1)
    swept = stopped.reconcile()
    assert (swept.promoted, len(swept.rings)) == (1, 1)


def test_old_records_leave_nothing_behind(stopped: JobStore) -> None:
    job = create(stopped, ttl_seconds=60, idempotency_key="k", deadline="2027-01-15T09:00:00Z")
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    stopped.move("default", job.id, Status.FAILED, attempt=1)
    keys = stopped.keys
    for key in (keys("job", "default", job.id), keys("events", "default", job.id)):
        assert 0 < stopped.redis.ttl(key) <= 60
    pass_time(stopped, 60)
    assert stopped.reconcile().cleaned == 1
    with pytest.raises(NotFound):
        stopped.get("default", job.id)
    left = {
        key.decode().removeprefix(f"{keys.prefix}:").split(":")[0]
        for key in stopped.redis.keys(f"{keys.prefix}:*")
    }
    assert left <= {"feed", "leader", "sweep", "virtual", "idempotency", "queued", "claimed", "usage"}


def test_stats(stopped: JobStore) -> None:
    create(stopped)
    pass_time(stopped, 3)
    create(stopped)
    create(stopped, not_before="2027-01-15T09:00:00Z")
    stopped.claim_next("w", ["tiny"], lease_seconds=10)
    pass_time(stopped, 3)
    stats = stopped.stats()
    assert (stats["queued"], stats["held"], stats["running"]) == (2, 1, 1)
