"""An executor and its ranks as real processes: replies, time limits, disagreement, death, nothing left behind."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, Misconfigured
from tests.executors.light_executor import LightExecutor
from tests.executors.light_rank import LightWorker
from tests.executors.processes import children, shared_memory
from tests.stepping.pipelines import tiny
from workers.engine import DiffusionEngine, DiffusionExecutor, OmniDiffusionConfig, OmniDiffusionRequest
from workers.executors.multiproc import MultiProcDiffusionExecutor
from workers.executors.uni import UniProcDiffusionExecutor

WAIT_SECONDS = 30


Start = Callable[..., DiffusionEngine]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts engines over light ranks; whatever they started is gone when the test ends."""
    before, memory = children(), shared_memory()
    engines: list[DiffusionEngine] = []

    def begin(ranks: int = 2, model: str = "light", **options: Any) -> DiffusionEngine:
        config = OmniDiffusionConfig(
            model=model,
            num_gpus=ranks,
            caps="fixed(8)",
            distributed_executor_backend=LightExecutor,
            executor_options=options,
        )
        engines.append(DiffusionEngine(config))
        return engines[-1]

    yield begin
    for engine in engines:
        engine.close()
        engine.close()
    assert children() == before
    assert shared_memory() == memory


def request(prompt: str) -> OmniDiffusionRequest:
    return OmniDiffusionRequest(prompt=prompt, request_id=prompt)


def processes(engine: DiffusionEngine) -> list[int]:
    return [facts["process"] for facts in engine.collective_rpc("facts")]


def test_replies_come_by_rank_or_from_one(start: Start) -> None:
    engine = start(3)
    assert [facts["rank"] for facts in engine.collective_rpc("facts")] == [0, 1, 2]
    assert engine.collective_rpc("facts", unique_reply_rank=2)["rank"] == 2
    assert len({os.getpid(), *processes(engine)}) == 4
    assert engine.collective_rpc("echo", kwargs={"value": "x"}, unique_reply_rank=0) == "x"
    engine.check_health()


def test_all_ranks_have_the_same_seed(start: Start) -> None:
    first, second = (facts["seeds"] for facts in start().collective_rpc("facts"))
    assert first == second


def test_tensors_travel_as_plain_bytes(start: Start) -> None:
    sent = {
        "half": torch.randn(3, 4).to(torch.bfloat16).T,
        "whole": torch.arange(5),
        "one": torch.tensor(2.5),
        "none": torch.empty(0, 7),
        "flags": torch.tensor([True, False]),
    }
    engine = start(1)
    memory = shared_memory()
    back = engine.collective_rpc("echo", args=(sent,), unique_reply_rank=0)
    assert shared_memory() == memory
    for name, tensor in sent.items():
        assert torch.equal(back[name], tensor)
        assert back[name].dtype is tensor.dtype
    back["whole"] += 1  # not read-only


def test_requests_run_on_all_ranks_and_rank_0_answers(start: Start) -> None:
    outputs = start().step([request("a"), request("b")])
    assert [output.output for output in outputs] == ["a, by rank 0", "b, by rank 0"]


def test_a_time_limit_is_enforced_and_names_the_rank(start: Start) -> None:
    engine = start()
    with pytest.raises(TimeoutError, match=r"`hang` was not answered within 0.05 s by rank 1 \(process \d+\)"):
        engine.collective_rpc("hang", timeout=0.05, args=(1, 0.3))
    engine.check_health()
    # The late reply belongs to nobody: the next call gets its own.
    assert [facts["rank"] for facts in engine.collective_rpc("facts", timeout=WAIT_SECONDS)] == [0, 1]


def test_what_a_rank_raises_names_the_rank(start: Start) -> None:
    engine = start()
    with pytest.raises(ExecutionFailed, match="Odd: this rank and does not want to") as caught:
        engine.collective_rpc("refuse", args=(1,))
    assert caught.value.__notes__ == ["raised by `refuse` on rank 1 of 2"]
    with pytest.raises(AttributeError, match="no_such_method"):
        engine.collective_rpc("no_such_method")


def test_ranks_that_do_not_load_say_why_and_leave_nothing(start: Start) -> None:
    before = children()
    with pytest.raises(ExecutionFailed, match="does not and load"):
        start(model="broken on 1")
    assert children() == before


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("fail on 0", "went wrong"),
        ("fail on 1", "went wrong"),
        ("park on 1", "different ways"),
        ("park on 0", "different ways"),
    ],
)
def test_a_request_on_which_ranks_disagree_fails_alone(start: Start, prompt: str, words: str) -> None:
    engine = start()
    good, bad = engine.step([request("good"), request(prompt)])
    assert good.output == "good, by rank 0"
    assert words in (bad.error or "")
    first, second = engine.collective_rpc("facts")
    assert first["held"] == second["held"] == []
    # What the stray request drew is forgotten on all ranks alike.
    assert first["seeds"] == second["seeds"]
    assert len(first["seeds"]) == 2


def test_out_of_memory_on_all_ranks_halves_the_batch(start: Start) -> None:
    outputs = start().step([request("out of memory"), request("other")])
    assert [output.error for output in outputs] == [None, None]


def lost(engine: DiffusionEngine) -> threading.Event:
    """Set when the executor says that its ranks are lost."""
    told = threading.Event()
    engine.executor.register_failure_callback(told.set)
    return told


def test_a_killed_rank_is_noticed_at_once_and_ends_the_group(start: Start) -> None:
    engine = start()
    told = lost(engine)
    victim = processes(engine)[1]
    os.kill(victim, signal.SIGKILL)
    assert told.wait(WAIT_SECONDS)
    reason = rf"rank 1 \(process {victim}\) was killed by signal 9"
    with pytest.raises(EngineUnavailable, match=reason):
        engine.check_health()
    with pytest.raises(EngineUnavailable, match=reason):
        engine.collective_rpc("facts")
    late = lost(engine)
    assert late.is_set()
    assert not children() & {victim}


def test_a_rank_that_dies_in_a_batch_ends_it(start: Start) -> None:
    with pytest.raises(EngineUnavailable, match=r"rank 1 .* ended with status 7"):
        start().step([request("die on 1")])


def test_a_rank_that_hangs_in_a_batch_is_lost(start: Start) -> None:
    with pytest.raises(EngineUnavailable, match=r"`execute_step` was not answered within 0.5 s by rank 1 "):
        start(reply_seconds=0.5).step([request("hang on 1")])


def test_an_error_outside_any_request_ends_the_group(start: Start) -> None:
    engine = start()
    with pytest.raises(EngineUnavailable, match="rank 1: ExecutionFailed: Odd: a bug and in the runner"):
        engine.step([request("raise")])
    with pytest.raises(EngineUnavailable):
        engine.check_health()


def test_ranks_end_with_an_executor_that_nobody_holds() -> None:
    before = children()
    executor = LightExecutor(OmniDiffusionConfig(model="light", num_gpus=2))
    assert len(children() - before) == 2
    del executor
    gc.collect()
    assert children() == before


def test_executors_are_chosen_by_number_class_or_name() -> None:
    def chosen(**options: Any) -> type:
        return DiffusionExecutor.get_class(OmniDiffusionConfig(**options))

    assert chosen() is UniProcDiffusionExecutor
    assert chosen(num_gpus=2) is MultiProcDiffusionExecutor
    assert chosen(distributed_executor_backend="mp") is MultiProcDiffusionExecutor
    assert chosen(distributed_executor_backend=LightExecutor) is LightExecutor
    named = "tests.executors.light_executor.LightExecutor"
    assert chosen(distributed_executor_backend=named) is LightExecutor
    for wrong in (
        "dask",
        f"{named}s",
        LightWorker,
        "tests.executors.test_ranks.LightWorker",
    ):
        with pytest.raises(Misconfigured):
            chosen(distributed_executor_backend=wrong)


def test_what_cannot_reach_other_processes_is_refused() -> None:
    class Local:
        """Nobody else can import it."""

    before = children()
    with pytest.raises(Misconfigured, match="`pipeline`"):
        LightExecutor(OmniDiffusionConfig(pipeline=tiny(), num_gpus=2))
    with pytest.raises(Misconfigured, match="`worker_extension_cls`"):
        LightExecutor(OmniDiffusionConfig(model="light", worker_extension_cls=Local, num_gpus=2))
    with pytest.raises(Misconfigured, match=r"reply_secons.*reply_seconds"):
        LightExecutor(OmniDiffusionConfig(model="light", executor_options={"reply_secons": 1}))
    assert children() == before
