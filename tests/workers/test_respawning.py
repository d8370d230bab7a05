"""When an engine process starts again, and when its device is left alone."""

from __future__ import annotations

import pytest

from workers.engine_process.respawning import BACKOFF_SECONDS, DEVICE_LOST, STEADY_SECONDS, Respawning


def died(*batches: tuple[str, ...], status: int = DEVICE_LOST) -> Respawning:
    respawning = Respawning(BACKOFF_SECONDS)
    for batch in batches:
        respawning.died(status, batch)
    return respawning


@pytest.mark.parametrize(
    ("batches", "is_hopeless"),
    [
        ([("a.1.0",), ("b.1.0",)], False),
        ([("a.1.0",), ("b.1.0",), ("c.1.0",)], True),
        ([("a.1.0", "b.1.0"), ("a.2.0", "b.2.0"), ("a.3.0",)], False),  # it may be a
        ([("a.1.0", "b.1.0"), ("a.2.0",), ("b.2.0",)], True),
        ([("a.1.0",), ("b.1.0",), ("c.1.0",), ("c.2.0",), ("c.3.0",)], False),
        ([(), (), ()], True),
    ],
)
def test_a_device_that_fails_under_everybody_is_bad(batches: list[tuple[str, ...]], is_hopeless: bool) -> None:
    assert died(*batches).is_hopeless == is_hopeless


def test_a_crash_says_nothing_of_the_device() -> None:
    assert not died(("a",), ("b",), ("c",), status=-11).is_hopeless


def test_an_output_clears_the_device() -> None:
    respawning = died(("a",), ("b",))
    respawning.served()
    respawning.died(DEVICE_LOST, ("c",))
    assert not respawning.is_hopeless


def test_pauses_grow_until_a_process_lives_long() -> None:
    respawning = Respawning((0.2, 1.0))
    assert [respawning.pause(1.0) for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]
    assert [respawning.pause(STEADY_SECONDS + 1), respawning.pause(1.0)] == [0.2, 0.4]
    respawning.served()
    assert respawning.pause(1.0) == 0.2, "a bad job must not keep good ones waiting"
