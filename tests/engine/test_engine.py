"""The loop's promises with an executor that fails on demand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from omni_jobs.errors import DeadlineExceeded, OutOfMemory
from workers.engine import (
    Advance,
    CallInfo,
    DeviceOutOfMemory,
    DiffusionEngine,
    DiffusionExecutor,
    DiffusionOutput,
    EngineEvent,
    Failed,
    Finished,
    Lane,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    Parked,
    RequestFailed,
    RequestFinished,
    StepResult,
)
from workers.engine.executor import DeviceLost


class CountingExecutor(DiffusionExecutor):
    """Each request makes `extra_args["calls"]` calls; batches above the room do not fit."""

    def _init_executor(self) -> None:
        self.room: int = self.od_config.executor_options.get("room", 100)
        self.left: dict[str, int] = {}
        self.batches: list[int] = []
        self.calls: dict[int, str] = {}
        self.dropped: list[str] = []

    def _next(self, request_id: str) -> Advance:
        if self.left[request_id] < 0:
            return Failed(request_id, ArithmeticError("bad"))
        if self.left[request_id] == 0:
            return Finished(request_id, DiffusionOutput(output=request_id))
        self.left[request_id] -= 1
        call_id = len(self.calls)
        self.calls[call_id] = request_id
        return Parked(CallInfo(request_id, call_id, Lane.DENOISE, "key"))

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        for request in requests:
            self.left[request.request_id] = request.sampling_params.extra_args["calls"]
        return [self._next(request.request_id) for request in requests]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        if len(call_ids) > self.room:
            raise DeviceOutOfMemory("too many")
        self.batches.append(len(call_ids))
        return StepResult(tuple(self._next(self.calls[call_id]) for call_id in call_ids), 0.001)

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        self.dropped += request_ids

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        return [method]

    def check_health(self) -> None:
        return None

    def shutdown(self) -> None:
        return None


def request(name: str, calls: int, deadline: float | None = None) -> OmniDiffusionRequest:
    from workers.engine import OmniDiffusionSamplingParams

    params = OmniDiffusionSamplingParams(extra_args={"calls": calls})
    return OmniDiffusionRequest(request_id=name, sampling_params=params, deadline=deadline)


def engine_of(
    room: int = 100, caps: str = "fixed(8)"
) -> tuple[DiffusionEngine, CountingExecutor, list[EngineEvent]]:
    events: list[EngineEvent] = []
    config = OmniDiffusionConfig(
        distributed_executor_backend=CountingExecutor, executor_options={"room": room}, caps=caps
    )
    engine = DiffusionEngine(config, on_event=events.append)
    assert isinstance(engine.executor, CountingExecutor)
    return engine, engine.executor, events


class LosingExecutor(CountingExecutor):
    """Its device is lost at the first batch."""

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        raise DeviceLost("illegal access")


def test_the_batch_in_which_the_device_was_lost_stays_the_last_in_the_flight_record() -> None:
    """Whatever is said after it until the process ends, these are to blame."""
    record: list[tuple[str, ...]] = []
    engine = DiffusionEngine(
        OmniDiffusionConfig(distributed_executor_backend=LosingExecutor), on_batch=record.append
    )
    for name in ("a", "b"):
        engine.submit(request(name, 2))
    with pytest.raises(DeviceLost):
        engine.advance()
    assert record[-1] == ("a", "b")


def test_requests_share_batches_and_the_tally_adds_up() -> None:
    engine, executor, _ = engine_of()
    outputs = engine.step([request("a", 2), request("b", 3), request("c", 1)])
    assert [output.output for output in outputs] == ["a", "b", "c"]
    assert executor.batches == [3, 2, 1]
    assert sum(output.metrics["forwards"] for output in outputs) == 3
    assert [output.metrics["calls"] for output in outputs] == [2, 3, 1]
    assert outputs[1].metrics["max_batch"] == 3


def test_out_of_memory_halves_the_batch_and_fails_nobody() -> None:
    engine, executor, _ = engine_of(room=2)
    outputs = engine.step([request(str(index), 2) for index in range(7)])
    assert all(output.error is None for output in outputs)
    assert max(executor.batches) <= 2
    assert sum(executor.batches) == 14
    assert sum(output.metrics["calls"] for output in outputs) == 14


def test_a_call_that_does_not_fit_alone_fails_its_own_request() -> None:
    engine, executor, events = engine_of(room=0)
    (output,) = engine.step([request("huge", 2)])
    assert output.error is not None
    assert any(isinstance(event, RequestFailed) and isinstance(event.error, OutOfMemory) for event in events)
    assert executor.dropped == ["huge"]


def test_a_request_that_fails_at_once_leaves_the_others() -> None:
    engine, _, _ = engine_of()
    bad, good = engine.step([request("bad", -1), request("good", 2)])
    assert bad.error == "ArithmeticError: bad"
    assert good.error is None


def test_a_passed_deadline_ends_the_request_before_its_next_call() -> None:
    engine, executor, events = engine_of()
    engine.submit(request("late", 1000, deadline=time.monotonic() - 1))
    engine.submit(request("fine", 2))
    while not engine.is_idle:
        engine.advance()
    late = next(event for event in events if isinstance(event, RequestFailed))
    assert isinstance(late.error, DeadlineExceeded)
    assert sum(executor.batches) == 2
    assert any(isinstance(event, RequestFinished) and event.request_id == "fine" for event in events)


def test_no_more_requests_are_in_flight_than_the_executor_takes() -> None:
    ended: list[EngineEvent] = []
    config = OmniDiffusionConfig(distributed_executor_backend=CountingExecutor, max_num_seqs=2)
    engine = DiffusionEngine(config, ended.append)
    for waiting in (request("a", 3), request("bad", -1), request("b", 1), request("late", 1), request("c", 1)):
        engine.submit(waiting)
    engine.submit(replace(request("urgent", 1), priority=9))
    engine.cancel("late")
    while not engine.is_idle:
        engine.advance()
    executor = engine.executor
    assert isinstance(executor, CountingExecutor)
    assert max(executor.batches) == 2
    finished = [event.request_id for event in ended if isinstance(event, RequestFinished)]
    assert set(finished) == {"a", "b", "c", "urgent"}
    assert finished[0] == "urgent"
