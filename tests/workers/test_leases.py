"""Who holds an attempt: what is over is told to whoever works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from omni_jobs.schemas import Phase
from omni_jobs.store import Ref
from tests.workers.test_slots import claim
from workers.leases import Lease, Leases


class Store:
    """Renews nothing that is named lost."""

    def __init__(self) -> None:
        self.lost: set[Ref] = set()
        self.renewed: list[int] = []

    def renew(self, _worker: str, jobs: list[tuple[str, str, int]], _seconds: float) -> set[Ref]:
        self.renewed = [attempt for _, _, attempt in jobs]
        return self.lost


def leases(store: Any, advances: Callable[[], bool] = lambda: True) -> Leases:
    return Leases(store, "w", 10.0, advances, {Phase.LOADING: 60.0, Phase.UPLOAD: 0.0})


def test_the_next_attempt_in_the_same_worker_ends_the_one_before() -> None:
    store = Store()
    held = leases(store)
    first, second = held.take(claim()), held.take(replace(claim(), attempt=2))
    assert first.lost.is_set()
    assert not second.stopped.is_set()
    held.release(first)
    held.renew()
    assert store.renewed == [2], "what ended takes nothing from what holds the job now"


def test_a_job_that_is_no_longer_ours_is_told_once() -> None:
    store = Store()
    held = leases(store)
    lease, told = held.take(claim()), list[Lease]()
    lease.when_stopped(lambda: told.append(lease))
    store.lost = {lease.claim.ref}
    held.renew()
    held.lose(lease.claim.ref)
    assert (told, lease.lost.is_set()) == ([lease], True)


def test_who_is_done_with_an_attempt_is_not_told_of_its_end() -> None:
    lease, told = leases(Store()).take(claim()), list[str]()
    undo = lease.when_stopped(lambda: told.append("rendering"))
    lease.when_stopped(lambda: told.append("waiting"))
    undo()
    lease.stop()
    lease.when_stopped(lambda: told.append("late"))()
    assert told == ["waiting", "late"]


def test_what_waits_for_storage_is_renewed_while_storage_is_tried() -> None:
    store = Store()
    held = leases(store)
    lease = held.take(claim())
    lease.enter(Phase.UPLOAD, lambda: float("inf"))
    held.renew()
    assert store.renewed == [1]
    store.renewed = []
    lease.enter(Phase.UPLOAD)
    held.renew()
    assert store.renewed == []


def test_a_hung_device_renews_nothing() -> None:
    store = Store()
    held = leases(store, lambda: False)
    held.take(claim()).enter(Phase.DENOISE)
    held.renew()
    assert store.renewed == []
