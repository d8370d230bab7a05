"""The batcher's promises under thousands of random arrivals: nothing lost or doubled, nobody starves."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.engine import Batcher, CallInfo, Lane, fixed

arrivals = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from([Lane.DENOISE, Lane.DENOISE, Lane.ENCODE, Lane.DECODE]),
        st.integers(0, 9),
        st.one_of(st.none(), st.floats(0, 100)),
        st.integers(0, 3),
    ),
    max_size=60,
)


def call_of(index: int, key: str, lane: Lane) -> CallInfo:
    return CallInfo(f"r{index}", index, lane, (key, lane))


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(1, 8))
def test_every_call_is_served_once_in_a_batch_of_its_key(
    items: list[tuple[str, Lane, int, float | None, int]], cap: int
) -> None:
    batcher = Batcher(fixed(cap))
    served: Counter[int] = Counter()
    for index, (key, lane, priority, deadline, batches) in enumerate(items):
        batcher.add(call_of(index, key, lane), priority, deadline)
        for _ in range(batches):
            served.update(check(batcher.next_batch(), cap))
    while len(batcher):
        batch = batcher.next_batch()
        assert batch, "work was ready and none was planned"
        served.update(check(batch, cap))
    assert batcher.next_batch() == []
    assert served == Counter(range(len(items)))


def check(batch: list[CallInfo], cap: int) -> list[int]:
    assert len(batch) <= cap
    assert len({call.batch_key for call in batch}) <= 1
    return [call.call_id for call in batch]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_a_lonely_call_is_served_within_groups_times_cap_batches(
    groups: int, cap: int, priorities: list[int]
) -> None:
    """Urgent work keeps every other group full for ever; the one low call still gets its turn."""
    batcher = Batcher(fixed(cap))
    index = 1
    batcher.add(CallInfo("lonely", 0, Lane.DENOISE, "lonely"), priority=0)
    for planned in range(2 * (groups + 1) * cap + 2):
        for group in range(groups):
            for priority in priorities[:cap]:
                batcher.add(CallInfo(f"r{index}", index, Lane.DENOISE, group), priority=max(priority, 1))
                index += 1
        if any(call.call_id == 0 for call in batcher.next_batch()):
            # One batch more for each group that was overdue before it.
            assert planned <= (groups + 1) * cap + groups
            return
    raise AssertionError("the lonely call starved")


@given(st.permutations(range(10)))
def test_priority_then_deadline_then_age(order: list[int]) -> None:
    batcher = Batcher(fixed(1))
    for priority in order:
        batcher.add(CallInfo(f"r{priority}", priority, Lane.DENOISE, priority), priority=priority)
    first = batcher.next_batch()
    assert [call.call_id for call in first] == [9]
    same = Batcher(fixed(1))
    same.add(CallInfo("late", 1, Lane.DENOISE, "x"), 5, deadline=50.0)
    same.add(CallInfo("soon", 2, Lane.DENOISE, "y"), 5, deadline=10.0)
    same.add(CallInfo("whenever", 3, Lane.DENOISE, "z"), 5)
    assert [same.next_batch()[0].request_id for _ in range(3)] == ["soon", "late", "whenever"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(list(Lane)), min_size=1, max_size=40))
def test_at_most_one_other_lane_between_two_denoise_batches(lanes: list[Lane]) -> None:
    batcher = Batcher(fixed(2))
    for index, lane in enumerate(lanes):
        batcher.add(call_of(index, "k", lane))
    trace = []
    while len(batcher):
        denoise_ready = batcher.is_ready(Lane.DENOISE)
        trace.append((batcher.next_batch()[0].lane, denoise_ready))
    for (before, _), (now, denoise_ready) in itertools.pairwise(trace):
        if denoise_ready:
            assert Lane.DENOISE in (before, now), "two batches of other lanes while denoise work was ready"


def test_offline_encodes_first_and_decodes_last() -> None:
    batcher = Batcher(fixed(4), offline=True)
    for index, lane in enumerate([Lane.DECODE, Lane.DENOISE, Lane.ENCODE, Lane.DENOISE]):
        batcher.add(call_of(index, "k", lane))
    assert [batcher.next_batch()[0].lane for _ in range(3)] == [Lane.ENCODE, Lane.DENOISE, Lane.DECODE]


def test_out_of_memory_halves_and_remembers() -> None:
    batcher = Batcher(fixed(8))
    key = ("a", Lane.DENOISE)
    batcher.shrink(key, 8)
    assert batcher.cap(key) == 4
    batcher.shrink(key, 3)
    assert batcher.cap(key) == 1
    assert batcher.cap("other") == 8


def test_removed_calls_never_come() -> None:
    batcher = Batcher(fixed(8))
    for index in range(3):
        batcher.add(call_of(index, "a", Lane.DENOISE))
    batcher.remove([1, 99])
    assert sorted(call.call_id for call in batcher.next_batch()) == [0, 2]
