"""When the engine saves its requests, and that a saved one goes on: with the simulated device."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from workers.engine import (
    DiffusionEngine,
    EngineEvent,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestCanceled,
    RequestCheckpoint,
    RequestFinished,
    RequestNotSaved,
    RequestResumed,
)

STEPS = 20
Kind = TypeVar("Kind")


@pytest.fixture
def events() -> list[EngineEvent]:
    return []


def engine(events: list[EngineEvent], seconds: float) -> DiffusionEngine:
    config = OmniDiffusionConfig(
        distributed_executor_backend="simulated",
        caps="fixed(8)",
        checkpoint_seconds=seconds,
        executor_options={"launch_ms": 1.0},
    )
    return DiffusionEngine(config, events.append)


def request(prompt: str = "a fox", **changes: bool) -> OmniDiffusionRequest:
    sampling = OmniDiffusionSamplingParams(seed=1, num_inference_steps=STEPS)
    return OmniDiffusionRequest(prompt=prompt, sampling_params=sampling, resumable=changes.get("resumable", True))


def run(made: DiffusionEngine, *requests: OmniDiffusionRequest) -> None:
    for one in requests:
        made.submit(one)
    while made.advance():
        pass


def of(kind: type[Kind], events: list[EngineEvent]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def test_checkpoints_come_by_device_time_and_never_go_back(events: list[EngineEvent]) -> None:
    run(engine(events, 0.004), request())
    steps = [event.step for event in of(RequestCheckpoint, events)]
    assert 2 <= len(steps) < STEPS / 2
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_short_requests_and_none_at_all(events: list[EngineEvent], seconds: float) -> None:
    run(engine(events, seconds), request())
    assert not of(RequestCheckpoint, events)


def test_only_what_is_resumable_is_saved(events: list[EngineEvent]) -> None:
    run(engine(events, 0.002), request(resumable=False))
    assert not of(RequestCheckpoint, events)


def test_a_request_handed_back_goes_on_in_another_engine(events: list[EngineEvent]) -> None:
    first, asked = engine(events, 0.0), request()
    first.submit(asked)
    for _ in range(8):
        first.advance()
    first.hand_back(asked.request_id)
    assert not first.advance()
    saved, canceled = events[-2:]
    assert isinstance(saved, RequestCheckpoint)
    assert isinstance(canceled, RequestCanceled)
    assert 0 < saved.step < STEPS

    events.clear()
    run(engine(events, 0.0), replace(asked, checkpoint=saved.checkpoint.to_bytes()))
    (resumed,) = of(RequestResumed, events)
    (finished,) = of(RequestFinished, events)
    assert (resumed.step, resumed.refused) == (saved.step, None)
    assert finished.output.metrics["calls"] == STEPS - saved.step


def test_what_has_not_begun_is_handed_back_without_a_checkpoint(events: list[EngineEvent]) -> None:
    made, asked = engine(events, 0.0), request()
    made.submit(asked)
    made.advance()
    made.hand_back(asked.request_id)
    made.advance()
    assert isinstance(events[-2], RequestNotSaved)
    assert isinstance(events[-1], RequestCanceled)


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"step": 3, "fingerprint": "of somebody else"}'])
def test_a_checkpoint_that_is_no_good_begins_again(events: list[EngineEvent], content: bytes) -> None:
    run(engine(events, 0.0), replace(request(), checkpoint=content))
    (resumed,) = of(RequestResumed, events)
    (finished,) = of(RequestFinished, events)
    assert resumed.step == 0
    assert resumed.refused
    assert finished.output.metrics["calls"] == STEPS
