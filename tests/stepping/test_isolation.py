"""Requests in flight together must not see each other, and must leave the pipeline and the thread as they were."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tests.stepping.pipelines import TinyPipeline, seeded, tiny
from workers import Omni
from workers.engine import DiffusionEngine, EngineEvent, OmniDiffusionConfig, OmniDiffusionRequest, RequestCanceled


def test_the_pipeline_is_left_unchanged() -> None:
    pipeline = tiny()
    before = copy.deepcopy({name: value for name, value in vars(pipeline).items() if name != "unet"})
    scheduler = dict(vars(pipeline.scheduler))
    Omni(pipeline=pipeline).map([{"generator": seeded(index)} for index in range(3)])
    assert pipeline.state == before["state"] == []
    assert pipeline.config == before["_internal_dict"]
    assert type(pipeline.unet).__name__ == "Denoiser"
    assert vars(pipeline.scheduler).keys() == scheduler.keys()
    assert all(vars(pipeline.scheduler)[name] is value for name, value in scheduler.items())


def test_one_bad_call_fails_alone() -> None:
    pipeline = tiny()
    calls: list[dict[str, Any]] = [
        {"generator": seeded(0)},
        {"generator": seeded(1), "fail_at": 1},
        {"generator": seeded(2)},
    ]
    good, bad, also_good = Omni(pipeline=pipeline).map(calls, return_exceptions=True)
    assert isinstance(bad, ArithmeticError)
    torch.testing.assert_close(good, pipeline(generator=seeded(0)))
    torch.testing.assert_close(also_good, pipeline(generator=seeded(2)))
    with pytest.raises(ArithmeticError, match="went wrong"):
        Omni(pipeline=pipeline).map([dict(call, generator=seeded(0)) for call in calls])


def test_alone_the_global_random_state_is_seen_and_left_as_plainly() -> None:
    pipeline = tiny()
    torch.manual_seed(3)
    plain, after = pipeline(), torch.rand(1)
    torch.manual_seed(3)
    (mine,) = Omni(pipeline=pipeline).map([{}])
    assert torch.equal(plain, mine)
    assert torch.equal(after, torch.rand(1))


def test_calls_without_a_generator_differ_from_each_other() -> None:
    first, second, third = Omni(pipeline=tiny()).map([{}, {}, {}])
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_grad_mode_of_the_thread_survives() -> None:
    assert torch.is_grad_enabled()
    Omni(pipeline=tiny()).map([{"generator": seeded(0)}, {"generator": seeded(1)}])
    assert torch.is_grad_enabled()


def test_more_calls_than_fit_at_once_come_back_in_order() -> None:
    pipeline = tiny()
    outputs = Omni(pipeline=pipeline, max_num_seqs=3).map(
        [{"generator": seeded(index), "num_inference_steps": 1 + index % 3} for index in range(10)]
    )
    for index, output in enumerate(outputs):
        plain = pipeline(generator=seeded(index), num_inference_steps=1 + index % 3)
        torch.testing.assert_close(output, plain, rtol=1e-4, atol=1e-5)


def test_a_canceled_request_is_dropped_before_its_next_call() -> None:
    pipeline = tiny()
    events: list[EngineEvent] = []
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(4)"), on_event=events.append)
    engine.submit(OmniDiffusionRequest(arguments={"num_inference_steps": 50}, request_id="long"))
    engine.submit(OmniDiffusionRequest(arguments={"num_inference_steps": 3}, request_id="short"))
    engine.advance()
    engine.cancel("long")
    while not engine.is_idle:
        engine.advance()
    assert RequestCanceled("long") in events
    assert pipeline.unet.runs < 20


def test_a_deterministic_request_stays_alone_and_bit_identical() -> None:
    pipeline = tiny()
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(4)"))
    arguments = [{"generator": seeded(index), "num_inference_steps": 3} for index in range(3)]
    outputs = engine.step([OmniDiffusionRequest(arguments=item, deterministic=True) for item in arguments])
    for index, output in enumerate(outputs):
        assert torch.equal(output.output, pipeline(generator=seeded(index), num_inference_steps=3))
        assert output.metrics["shared_calls"] == 0


class Mistaken(TinyPipeline):
    """Calls its denoiser with an argument that it does not take."""

    def __call__(  # type: ignore[override]
        self, generator: torch.Generator | None = None, wrong: bool = False
    ) -> torch.Tensor:
        result: torch.Tensor = self.unet(torch.ones(1, 8), 1, **({"colour": "red"} if wrong else {}))
        return result


def test_a_call_that_the_module_refuses_fails_in_its_own_request() -> None:
    plain = tiny()
    pipeline = Mistaken(plain.unet, plain.scheduler)
    good, bad, also_good = Omni(pipeline=pipeline).map([{}, {"wrong": True}, {}], return_exceptions=True)
    assert isinstance(bad, TypeError)
    torch.testing.assert_close(good, also_good)
