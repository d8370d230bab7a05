"""Workers with an operator's own methods, and custom pipelines changed under a live engine."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, Misconfigured
from tests.stepping.custom import Doubled, ModuleContract
from workers import Omni
from workers.engine import (
    DiffusionEngine,
    EngineEvent,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestFailed,
    RequestFinished,
)
from workers.worker import DiffusionWorker
from workers.worker_wrapper import CustomPipelineWorkerExtension, WorkerWrapperBase

PLAIN = {"pipeline_class": "tests.stepping.custom.ModuleContract"}
DOUBLED = {"pipeline_class": "tests.stepping.custom.Doubled"}
od_config = OmniDiffusionConfig(model="anything", custom_pipeline_args=PLAIN)


class MyCustomExtension:
    """That of the extension guide."""

    def custom_method(self) -> str:
        return "custom_result"

    def another_method(self: Any, data: Any) -> Any:
        return data, self.model_runner.merge_report()["proofs"]


class Clashing:
    def load_model(self) -> None:
        """The worker has one."""


class ClashingFact:
    model_runner = None


class ClashingStart:
    def __init__(self) -> None:
        """Nobody would call it."""


def test_the_guides_extension() -> None:
    wrapper = WorkerWrapperBase(gpu_id=0, od_config=od_config, worker_extension_cls=MyCustomExtension)
    assert wrapper.worker.custom_method() == "custom_result"
    assert wrapper.custom_method() == "custom_result"
    assert wrapper.execute_method("another_method", data=3) == (3, 0)
    assert wrapper.execute_method("merge_report")["rules"] == []
    assert (wrapper.rank, wrapper.od_config) == (0, od_config)
    assert isinstance(wrapper.worker, DiffusionWorker)
    assert isinstance(wrapper.worker, MyCustomExtension)
    assert not hasattr(DiffusionWorker, "custom_method")
    with pytest.raises(AttributeError, match="no_such_thing"):
        wrapper.execute_method("no_such_thing")


def test_an_extension_by_name_reaches_collective_rpc() -> None:
    omni = Omni(
        model="anything",
        custom_pipeline_args=PLAIN,
        worker_extension_cls=f"{__name__}.{MyCustomExtension.__name__}",
    )
    assert omni._engine.collective_rpc("custom_method") == ["custom_result"]
    assert omni._engine.collective_rpc("another_method", args=("x",), unique_reply_rank=0) == ("x", 0)


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        (Clashing, "load_model clashes"),
        (ClashingFact, "model_runner clashes"),
        (ClashingStart, "__init__ clashes"),
        ("tests.stepping.custom.NOT_A_CLASS", "is no class"),
        ("tests.stepping.custom.Absent", "cannot be imported"),
    ],
)
def test_what_cannot_extend_a_worker_is_refused(extension: Any, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        WorkerWrapperBase(0, od_config, extension)


def test_custom_pipelines_bring_their_extension() -> None:
    plain = WorkerWrapperBase(0, OmniDiffusionConfig(pipeline=ModuleContract(od_config=od_config)))
    assert not isinstance(plain.worker, CustomPipelineWorkerExtension)
    custom = WorkerWrapperBase(0, OmniDiffusionConfig(), MyCustomExtension, custom_pipeline_args=PLAIN)
    assert isinstance(custom.worker, CustomPipelineWorkerExtension)
    assert custom.custom_method() == "custom_result"


def request(name: str) -> OmniDiffusionRequest:
    return OmniDiffusionRequest(
        prompt=name, request_id=name, sampling_params=OmniDiffusionSamplingParams(seed=1, num_inference_steps=4)
    )


class Recorded:
    """An engine and how each of its requests ended."""

    def __init__(self, config: OmniDiffusionConfig) -> None:
        self.ends: dict[str, Any] = {}
        self.engine = DiffusionEngine(config, self._note)

    def _note(self, event: EngineEvent) -> None:
        if isinstance(event, RequestFinished):
            self.ends[event.request_id] = event.output.output
        elif isinstance(event, RequestFailed):
            self.ends[event.request_id] = event.error

    def run(self) -> None:
        while not self.engine.is_idle:
            self.engine.advance()

    @property
    def runner(self) -> Any:
        return self.engine.executor.worker.model_runner  # type: ignore[attr-defined]


def test_a_new_pipeline_waits_for_the_old_ones_requests() -> None:
    recorded = Recorded(od_config)
    engine = recorded.engine
    engine.submit(request("early"))
    engine.advance()
    old = weakref.ref(recorded.runner.pipeline)
    engine.submit(request("late"))
    engine.submit(request("canceled"))
    engine.cancel("canceled")
    engine.re_init_pipeline(DOUBLED)
    assert list(recorded.ends) == ["early"]
    gc.collect()
    assert old() is None
    assert isinstance(recorded.runner.pipeline, Doubled)
    recorded.run()
    assert recorded.ends.keys() == {"early", "late"}
    assert torch.equal(recorded.ends["late"], recorded.ends["early"] * 2)


def test_a_class_that_cannot_be_used_leaves_the_old_pipeline() -> None:
    recorded = Recorded(od_config)
    for wrong in ("tests.stepping.custom.Absent", "tests.stepping.custom.NOT_A_CLASS"):
        with pytest.raises(Misconfigured):
            recorded.engine.re_init_pipeline({"pipeline_class": wrong})
    recorded.engine.submit(request("still served"))
    recorded.run()
    assert isinstance(recorded.ends["still served"], torch.Tensor)


def test_a_pipeline_that_does_not_load_can_be_followed_by_one_that_does() -> None:
    recorded = Recorded(od_config)
    with pytest.raises(MemoryError):
        recorded.engine.re_init_pipeline({"pipeline_class": "tests.stepping.custom.Unloadable"})
    recorded.engine.submit(request("nothing there"))
    recorded.run()
    assert isinstance(recorded.ends["nothing there"], EngineUnavailable)
    recorded.engine.re_init_pipeline(PLAIN)
    recorded.engine.submit(request("there"))
    recorded.run()
    assert isinstance(recorded.ends["there"], torch.Tensor)


def test_dummy_loads_nothing_until_it_is_told() -> None:
    recorded = Recorded(OmniDiffusionConfig(load_format="dummy"))
    recorded.engine.submit(request("too early"))
    recorded.run()
    assert isinstance(recorded.ends["too early"], EngineUnavailable)
    recorded.engine.re_init_pipeline(PLAIN)
    recorded.engine.submit(request("in time"))
    recorded.run()
    assert isinstance(recorded.ends["in time"], torch.Tensor)


def test_workers_refuse_a_new_pipeline_under_running_requests() -> None:
    recorded = Recorded(od_config)
    recorded.engine.submit(request("under way"))
    recorded.engine.advance()
    with pytest.raises(ExecutionFailed, match="1 requests are in flight"):
        recorded.engine.collective_rpc("re_init_pipeline", args=(DOUBLED,))
    recorded.run()
    assert isinstance(recorded.ends["under way"], torch.Tensor)
