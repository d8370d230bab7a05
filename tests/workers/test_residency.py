"""Who makes room for whom: decided without a device, and right for any models, sizes and budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine_process.residency import Action, Budget, Holding, Move, Place, Plan, fill, plan, trim

DEVICE, HOST, NOWHERE = Place.DEVICE, Place.HOST, Place.NOWHERE


def holding(name: str, place: Place, size: int | None = 10, used: float = 0.0, **facts: bool) -> Holding:
    return Holding(name, place, size, used, **facts)


def after(decided: Plan, holdings: list[Holding]) -> dict[str, Holding]:
    """The holdings once the moves were made."""
    places = {Action.LOAD: DEVICE, Action.WAKE: DEVICE, Action.SLEEP: HOST, Action.UNLOAD: NOWHERE}
    now = {one.name: one for one in holdings}
    for move in decided.moves:
        now[move.name] = replace(now[move.name], place=places[move.action])
    return now


def used(holdings: dict[str, Holding], place: Place) -> int:
    return sum(one.size_bytes or 0 for one in holdings.values() if one.place is place)


def test_the_longest_unused_sleeps_for_the_wanted() -> None:
    holdings = [holding("a", DEVICE, used=2), holding("b", DEVICE, used=1), holding("c", HOST)]
    decided = plan(Action.LOAD, "c", holdings, Budget(20))
    assert decided.moves == (Move(Action.SLEEP, "b"), Move(Action.WAKE, "c"))


def test_nobody_leaves_without_need() -> None:
    small, large = holding("small", DEVICE, 5, used=1), holding("large", DEVICE, 10, used=2)
    holdings = [small, large, holding("c", NOWHERE, 10)]
    decided = plan(Action.LOAD, "c", holdings, Budget(15))
    assert decided.moves == (Move(Action.SLEEP, "large"), Move(Action.LOAD, "c"))
    assert plan(Action.LOAD, "c", holdings, Budget(25)).moves == (Move(Action.LOAD, "c"),)
    assert plan(Action.LOAD, "c", holdings, Budget()).moves == (Move(Action.LOAD, "c"),)
    assert plan(Action.LOAD, "large", holdings, Budget(15)) == Plan()


def test_models_with_requests_in_flight_are_waited_for_and_leave_last() -> None:
    holdings = [
        holding("busy", DEVICE, used=1, is_busy=True),
        holding("idle", DEVICE, used=2),
        holding("c", HOST),
    ]
    assert plan(Action.LOAD, "c", holdings, Budget(20)).moves[0] == Move(Action.SLEEP, "idle")
    assert plan(Action.LOAD, "c", holdings, Budget(10)) == Plan(waits_for=frozenset({"busy"}))
    assert plan(Action.SLEEP, "busy", holdings, Budget(20)) == Plan(waits_for=frozenset({"busy"}))


def test_where_sleeping_frees_nothing_models_are_unloaded() -> None:
    holdings = [holding("a", DEVICE, can_sleep=False), holding("b", NOWHERE)]
    assert plan(Action.LOAD, "b", holdings, Budget(10)).moves[0] == Move(Action.UNLOAD, "a")
    assert plan(Action.SLEEP, "a", holdings, Budget(10)).moves == (Move(Action.SLEEP, "a"),)  # asked for by name


def test_a_reloaded_model_comes_to_rest_first_and_needs_room_as_any_other() -> None:
    holdings = [holding("a", DEVICE, is_busy=True), holding("b", DEVICE), holding("c", NOWHERE)]
    assert plan(Action.RELOAD, "a", holdings, Budget(20)) == Plan(waits_for=frozenset({"a"}))
    in_place = plan(Action.RELOAD, "b", holdings, Budget(20))
    assert (in_place.moves, in_place.leaving) == ((Move(Action.RELOAD, "b"),), frozenset({"b"}))
    from_afar = plan(Action.RELOAD, "c", holdings, Budget(20))
    assert from_afar.moves == (Move(Action.SLEEP, "b"), Move(Action.RELOAD, "c"))


def test_host_memory_is_bounded_too() -> None:
    holdings = [holding("a", DEVICE, used=3), holding("old", HOST, used=1), holding("new", HOST, used=2)]
    decided = plan(Action.SLEEP, "a", holdings, Budget(10, 20))
    assert decided.moves == (Move(Action.UNLOAD, "old"), Move(Action.SLEEP, "a"))
    assert plan(Action.SLEEP, "a", holdings[:1], Budget(10, 5)).moves == (Move(Action.UNLOAD, "a"),)


def test_what_never_fits_is_refused_with_the_figures() -> None:
    refusal = plan(Action.LOAD, "a", [holding("a", NOWHERE, 30)], Budget(20)).refusal
    assert refusal == "it needs 30 bytes, and the memory budget is 20"


def test_a_model_of_unknown_size_gets_all_the_room_and_is_trimmed_later() -> None:
    holdings = [holding("a", DEVICE, used=1), holding("new", NOWHERE, None)]
    moves = plan(Action.LOAD, "new", holdings, Budget(30)).moves
    assert moves == (Move(Action.SLEEP, "a"), Move(Action.LOAD, "new"))
    known = [holding("a", DEVICE, used=1), holding("new", DEVICE, 25, used=2)]
    assert trim(known, Budget(30)).moves == (Move(Action.SLEEP, "a"),)
    assert fill([holding("a", HOST), holding("new", DEVICE, 15)], Budget(30)).moves == (Move(Action.WAKE, "a"),)
    assert fill([holding("a", HOST), holding("new", DEVICE, 25)], Budget(30)) == Plan()


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Holding], Budget]:
    """Models that are within the budget, as they always are."""
    sizes = st.integers(1, 40)
    budget = Budget(draw(st.integers(20, 60)), draw(st.none() | st.integers(0, 60)))
    fleet: list[Holding] = []
    for index in range(draw(st.integers(1, 6))):
        one = Holding(
            f"m{index}", draw(st.sampled_from(Place)), draw(sizes), draw(st.integers(0, 9)), draw(st.booleans()),
            draw(st.booleans()),
        )  # fmt: skip
        device = sum(other.size_bytes or 0 for other in fleet if other.place is DEVICE)
        host = sum(other.size_bytes or 0 for other in fleet if other.place is HOST)
        size = one.size_bytes or 0
        if one.place is DEVICE and device + size > (budget.device_bytes or 0):
            one = replace(one, place=NOWHERE)
        if one.place is HOST and budget.host_bytes is not None and host + size > budget.host_bytes:
            one = replace(one, place=NOWHERE)
        fleet.append(replace(one, is_busy=one.is_busy and one.place is DEVICE))
    return fleet, budget


@given(fleets(), st.sampled_from([Action.LOAD, Action.WAKE]), st.data())
def test_any_plan_brings_the_wanted_within_the_budget_and_touches_nobody_busy(
    drawn: tuple[list[Holding], Budget], action: Action, data: st.DataObject
) -> None:
    fleet, budget = drawn
    wanted = data.draw(st.sampled_from(fleet))
    decided = plan(action, wanted.name, fleet, budget)
    now = after(decided, fleet)
    assert budget.device_bytes is not None
    assert used(now, DEVICE) <= budget.device_bytes
    if budget.host_bytes is not None:
        assert used(now, HOST) <= budget.host_bytes
    busy = {one.name for one in fleet if one.is_busy}
    assert not busy & {move.name for move in decided.moves}
    if decided.refusal:
        assert (wanted.size_bytes or 0) > budget.device_bytes
    elif decided.waits_for:
        assert not decided.moves
        assert decided.waits_for <= busy
        at_rest = [replace(one, is_busy=False) for one in fleet]
        assert after(plan(action, wanted.name, at_rest, budget), at_rest)[wanted.name].place is DEVICE
    else:
        assert now[wanted.name].place is DEVICE
    assert used(after(fill(fleet, budget), fleet), DEVICE) <= budget.device_bytes


@pytest.mark.parametrize("place", [HOST, NOWHERE])
def test_what_is_away_already_needs_no_move(place: Place) -> None:
    away = [holding("a", place)]
    assert plan(Action.UNLOAD, "a", [holding("a", NOWHERE)], Budget()) == Plan()
    assert plan(Action.SLEEP, "a", away, Budget()) == Plan()
