"""Step caching at the call boundary: whose past answers a call, what it answers, and that nobody else notices."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from benchmarks.zoo import UNEQUAL_PROMPTS, case, flatten_output
from omni_jobs.errors import ExecutionFailed
from tests.stepping.cached import Reuse, guided
from tests.stepping.pipelines import seeded, tiny
from workers import Omni
from workers.engine import (
    DiffusionEngine,
    Finished,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    Parked,
)
from workers.runner import DiffusionModelRunner
from workers.stepping.cache_config import cache_policy
from workers.stepping.lockstep import Lockstep
from workers.stepping.step_cache import StepCache

MASK = "110101"


def by_mask(mask: str, of: str = "output") -> Reuse:
    """What a mask means, worked out by hand."""
    kept: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def reuse(name: str, step: int, sample: torch.Tensor, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        if mask[step] == "0":
            output, before = kept[name]
            return output.clone() if of == "output" else (output - before) + sample
        kept[name] = run(), sample
        return kept[name][0]

    return reuse


def cached(pipeline: Any, backend: str = "mask", caps: str = "fixed(8)", **config: Any) -> Omni:
    return Omni(pipeline=pipeline, caps=caps, cache_backend=backend, cache_config=config)


@pytest.mark.parametrize("reuse", ["output", "residual"])
@pytest.mark.parametrize("negative_first", [False, True])
def test_each_call_of_a_step_is_answered_from_its_own_past(reuse: str, negative_first: bool) -> None:
    pipeline = guided()
    expected = pipeline(seeded(1), negative_first=negative_first, reuse=by_mask(MASK, reuse))
    runs = pipeline.unet.runs
    omni = cached(pipeline, mask=MASK, reuse=reuse)
    (mine,) = omni.map([{"generator": seeded(1), "negative_first": negative_first}])
    assert torch.equal(mine, expected)
    assert not torch.equal(mine, pipeline(seeded(1), negative_first=negative_first))
    assert (omni.stats.calls, omni.stats.calls_saved) == (8, 4)
    assert runs == 8


def test_a_request_with_a_cache_is_neither_saved_nor_taken_up_and_says_why() -> None:
    with pytest.raises(ExecutionFailed, match="step cache is not saved"):
        cached(guided(), mask=MASK).checkpoint({"generator": seeded(1)}, after_steps=1)
    saved = Omni(pipeline=guided()).checkpoint({"generator": seeded(1)}, after_steps=1)
    found = cached(guided(), mask=MASK).resume({"generator": seeded(1)}, saved)
    assert "step cache" in (found.refused or "")
    (expected,) = cached(guided(), mask=MASK).map([{"generator": seeded(1)}])
    assert torch.equal(found.output, expected)


def test_a_mask_that_skips_nothing_changes_nothing() -> None:
    pipeline = guided()
    (mine,) = cached(pipeline, mask="1").map([{"generator": seeded(1)}])
    assert torch.equal(mine, pipeline(seeded(1)))


def test_a_call_that_means_something_else_is_computed() -> None:
    """The first call of a step was the one without text; from step 3 on it is the one with text."""
    pipeline = guided()
    omni = cached(pipeline, mask="111001", max_skips=1000)
    (mine,) = omni.map([{"generator": seeded(1), "negative_first": True, "unguided_from": 3}])
    by_hand = pipeline(seeded(1), negative_first=True, unguided_from=3, reuse=by_mask("111101"))
    assert torch.equal(mine, by_hand)


def test_a_loop_that_begins_anew_has_no_past() -> None:
    pipeline = guided()
    omni = cached(pipeline, mask="011111", warmup=0)
    (mine,) = omni.map([{"generator": seeded(1), "loops": 2}])
    assert torch.equal(mine, pipeline(seeded(1), loops=2))
    assert omni.stats.calls_saved == 0


def test_requests_skip_beside_each_other_and_share_what_remains() -> None:
    pipeline = guided()
    steps = (6, 4, 6, 5)
    omni = cached(pipeline, mask=MASK)
    together = omni.map([{"generator": seeded(index), "num_inference_steps": n} for index, n in enumerate(steps)])
    for index, n in enumerate(steps):
        (alone,) = cached(pipeline, mask=MASK).map([{"generator": seeded(index), "num_inference_steps": n}])
        torch.testing.assert_close(together[index], alone, rtol=1e-4, atol=1e-5)
    assert omni.stats.max_batch >= 4
    assert omni.stats.forwards < omni.stats.calls
    assert omni.stats.calls + omni.stats.calls_saved == 2 * sum(steps)


@pytest.mark.parametrize("backend", ["easy_cache", "tea_cache", "taylor"])
def test_state_never_crosses_requests(backend: str) -> None:
    """Interleaved but never merged, each request gives the bytes that it gives on an engine of its own."""
    pipeline = guided()
    config = {} if backend == "taylor" else {"threshold": 0.5}
    calls = [{"generator": seeded(index), "num_inference_steps": 6 + index} for index in range(3)]
    busy = cached(pipeline, backend, caps="fixed(1)", **config)
    together = busy.map(calls)
    assert busy.stats.calls_saved > 0
    saved = 0
    for index, mine in enumerate(together):
        own = cached(pipeline, backend, caps="fixed(1)", **config)
        (alone,) = own.map([{"generator": seeded(index), "num_inference_steps": 6 + index}])
        assert torch.equal(mine, alone)
        saved += own.stats.calls_saved
    assert saved == busy.stats.calls_saved


def test_what_a_request_remembered_goes_with_it() -> None:
    omni = cached(guided(), mask=MASK)
    omni.map([{"generator": seeded(index)} for index in range(3)])
    with pytest.raises(TypeError):
        omni.map([{"generator": seeded(0), "num_inference_steps": "many"}])
    gc.collect()
    assert not [item for item in gc.get_objects() if type(item) is StepCache]


class OtherRank(Lockstep):
    """Another rank of the model that can skip nothing."""

    def everywhere(self, holds: bool) -> bool:
        return False


def test_a_call_that_one_rank_cannot_skip_is_computed_by_all() -> None:
    pipeline = guided()
    arguments = {"generator": seeded(1)}
    policy = cache_policy("mask", {"mask": MASK})
    runner = DiffusionModelRunner(pipeline, lambda _request: arguments, policy, lockstep=OtherRank())
    advance = runner.add(OmniDiffusionRequest())
    while isinstance(advance, Parked):
        (advance,) = runner.execute([advance.call.call_id]).advances
    assert isinstance(advance, Finished)
    assert torch.equal(advance.output.output, pipeline(seeded(1)))
    assert advance.output.metrics["calls_saved"] == runner.stats.calls_saved == 0


@pytest.mark.parametrize("habit", ["random", "writes"])
def test_a_call_with_side_effects_is_never_skipped(habit: str) -> None:
    pipeline = tiny(habit)
    torch.manual_seed(3)
    plain = pipeline(generator=seeded(1), num_inference_steps=6)
    torch.manual_seed(3)
    omni = cached(pipeline, mask="111010", warmup=0)
    (mine,) = omni.map([{"generator": seeded(1), "num_inference_steps": 6}])
    assert omni.stats.calls_saved == 0
    assert torch.equal(mine, plain)


@pytest.mark.parametrize("name", ["qwen-image", "flux-kontext", "sdxl", "z-image", "wan", "sd-heun"])
def test_real_pipelines_skip_and_agree_with_themselves(name: str) -> None:
    member = case(name)
    pipeline = member.build()

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[index], steps=6)

    omni = cached(pipeline, mask=MASK)
    together = omni.map([inputs(0), inputs(1)])
    assert omni.stats.calls_saved >= omni.stats.calls / 2
    for index, mine in enumerate(together):
        (alone,) = cached(pipeline, mask=MASK).map([inputs(index)])
        for one, other in zip(flatten_output(mine), flatten_output(alone), strict=True):
            assert abs(torch.as_tensor(one) - torch.as_tensor(other)).max() <= 1e-4


def test_calls_saved_are_reported() -> None:
    params = OmniDiffusionSamplingParams(
        num_inference_steps=6,
        width=48,
        height=32,
        seed=1,
        true_cfg_scale=4.0,
        extra_args={"max_sequence_length": 48},
    )
    omni = cached(case("qwen-image").build(), mask=MASK)
    results = omni.generate([{"prompt": word, "negative_prompt": "blurry"} for word in ("a cat", "a dog")], params)
    for result in results:
        metrics = result.outputs[0].metrics
        assert (metrics["calls"], metrics["calls_saved"]) == (8, 4)
    assert omni.stats.calls_saved == 8


@pytest.mark.parametrize("reuse", ["output", "residual"])
def test_the_curve_of_a_model_is_measured_without_skipping(reuse: str) -> None:
    pipeline = guided()
    reused: list[torch.Tensor] = []

    def note(name: str, _step: int, sample: torch.Tensor, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        output = run()
        if name == "0 text":
            reused.append(output if reuse == "output" else output - sample)
        return output

    plain = pipeline(seeded(1), reuse=note)
    engine = DiffusionEngine(
        OmniDiffusionConfig(
            pipeline=pipeline, cache_backend="mag_cache", cache_config={"calibrate": True, "reuse": reuse}
        )
    )
    output = engine.step([OmniDiffusionRequest(arguments={"generator": seeded(1)})])[0]
    sizes = [float(tensor.norm()) for tensor in reused]
    assert torch.equal(output.output, plain)
    assert output.metrics["calls_saved"] == 0
    assert output.metrics["mag_ratios"] == pytest.approx(
        [1.0] + [later / before for before, later in pairwise(sizes)]
    )
