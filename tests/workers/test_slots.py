"""Who may look for work: no doorbell is lost, reserved slots stay free, suspects get the worker to themselves."""

from __future__ import annotations

import threading

from omni_jobs.schemas import JobRequest
from omni_jobs.store import Claim
from workers.slots import RESERVED_PRIORITY, Room, Slots


def claim(company: str | None = None, shape: str = "s", crashes: int = 0) -> Claim:
    return Claim(
        account="default",
        job_id="job_1",
        attempt=1,
        spent=1,
        max_attempts=5,
        request=JobRequest(model="m", prompt="p"),
        seed=0,
        shape=shape,
        crashes=crashes,
        created_ms=0,
        deadline_ms=None,
        checkpoint=None,
        lease_seconds=1.0,
        company=company,
    )


def make(total: int = 4, reserved: int = 1) -> Slots:
    return Slots(total, reserved)


def test_a_doorbell_beyond_the_slots_returns_at_once() -> None:
    slots = make(2)
    assert [slots.enter(), slots.enter(), slots.enter()] == [True, True, False]


def test_a_doorbell_during_a_vain_look_makes_the_slot_look_again() -> None:
    slots = make(1, 0)
    assert slots.enter()
    seen = slots.rings
    assert not slots.enter()
    assert not slots.leave(seen)
    assert slots.leave(slots.rings)
    assert slots.enter()


class Jobs:
    """Waiting jobs, announced one doorbell each."""

    def __init__(self, slots: Slots) -> None:
        self.slots, self.waiting, self.lock = slots, 0, threading.Lock()

    def take(self, _room: Room) -> Claim | None:
        with self.lock:
            self.waiting -= 1
            if self.waiting >= 0:
                return claim()
            self.waiting = 0
            return None

    def announce(self) -> None:
        for _ in range(50):
            with self.lock:
                self.waiting += 1
            if self.slots.enter():
                self.look()

    def look(self) -> None:
        while True:
            seen = self.slots.rings
            if (taken := self.slots.claim(self.take)) is not None:
                self.slots.done(taken)
            elif self.slots.leave(seen):
                return


def test_no_doorbell_is_lost_whatever_the_order() -> None:
    """Every job is announced once; threads race; in the end none is left and no slot is."""
    jobs = Jobs(make(3, 0))
    threads = [threading.Thread(target=jobs.announce) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs.waiting == 0
    assert jobs.slots.busy == 0


def test_the_last_slots_are_for_high_priority() -> None:
    slots, rooms = make(2, 1), []

    def take(room: Room) -> Claim:
        rooms.append(room)
        return claim()

    slots.claim(take)
    slots.claim(take)
    assert [room.min_priority for room in rooms] == [0, RESERVED_PRIORITY]
    assert slots.claim(take) is None
    assert slots.free == 0


def test_only_an_empty_worker_takes_a_suspect_and_then_nothing_else() -> None:
    slots, rooms = make(), []

    def take(room: Room) -> Claim:
        rooms.append(room)
        return claim(company="c")

    suspect = slots.claim(take)
    assert suspect is not None
    assert rooms[0].alone
    assert slots.claim(take) is None
    assert slots.done(suspect), "others are rung for when it is gone"


def test_a_company_shares_the_worker_until_its_last_job_is_done() -> None:
    slots, rooms = make(), []

    def take(room: Room) -> Claim:
        rooms.append(room)
        return claim(company="c")

    assert slots.join(take) is None, "nobody is suspected here"
    first, second = slots.claim(take), slots.join(take)
    assert first is not None
    assert second is not None
    assert (rooms[1].company, rooms[1].alone) == ("c", True)
    assert slots.free == 0
    assert not slots.done(first)
    assert slots.claim(take) is None
    assert slots.done(second)


def test_a_busy_worker_empties_itself_for_suspects_that_wait() -> None:
    slots = make()
    first = slots.claim(lambda _room: claim())
    assert first is not None
    slots.make_room_for_suspects(True)
    assert slots.claim(lambda _room: claim()) is None
    assert not slots.done(first)
    assert slots.claim(lambda room: claim(company="c") if room.alone else None) is not None


def test_shapes_in_flight_are_preferred() -> None:
    slots = make()
    slots.claim(lambda _room: claim(shape="a"))
    taken = slots.claim(lambda room: claim(shape=room.shapes[0]))
    assert taken is not None
    assert taken.shape == "a"


def test_a_closed_worker_claims_nothing() -> None:
    slots = make()
    slots.close()
    assert not slots.enter()
    assert slots.claim(lambda _room: claim()) is None


def test_after_a_suspect_that_ran_alone_others_get_the_first_turn() -> None:
    """If the device dies under them too, it is the device."""
    slots = make()
    suspect = claim(company="c")
    assert slots.claim(lambda room: suspect) is suspect
    slots.done(suspect)
    asked: list[bool] = []
    assert slots.claim(lambda room: asked.append(room.alone)) is None
    assert asked == [False, True], "nobody else waits, so the suspect may run again"
    assert slots.claim(lambda room: None if room.alone else claim()) is not None
    slots.claim(lambda room: asked.append(room.alone))
    assert asked[2:] == [False], "somebody runs"
