"""What a merge must notice: wrong rules, side effects, refusals. Slower is allowed, wrong is not."""

from __future__ import annotations

import pytest
import torch

from tests.stepping.pipelines import seeded, tiny
from workers import Omni

STEPS = (2, 5, 3, 4)


def run_both(
    habit: str, dtype: torch.dtype = torch.float32, error: float = 1e-2
) -> tuple[list[torch.Tensor], list[torch.Tensor], Omni]:
    pipeline = tiny(habit, dtype, error)
    plain = [pipeline(generator=seeded(index), num_inference_steps=steps) for index, steps in enumerate(STEPS)]
    omni = Omni(pipeline=pipeline)
    calls = [{"generator": seeded(index), "num_inference_steps": steps} for index, steps in enumerate(STEPS)]
    return plain, omni.map(calls), omni


def test_a_good_model_shares_forwards() -> None:
    plain, together, omni = run_both("good")
    for mine, theirs in zip(plain, together, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert omni.stats.calls == sum(STEPS)
    assert omni.stats.forwards == max(STEPS)
    assert omni.stats.max_batch == len(STEPS)
    assert omni.stats.proofs >= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("habit", ["wrong in company", "first row for all", "an expert for all"])
def test_a_planted_wrong_rule_is_caught(habit: str, dtype: torch.dtype) -> None:
    plain, together, omni = run_both(habit, dtype)
    for mine, theirs in zip(plain, together, strict=True):
        # Beyond the proof, only calls that agree on everything the model misuses may have shared.
        torch.testing.assert_close(mine.float(), theirs.float(), rtol=2e-3, atol=2e-3)
    if habit == "wrong in company":
        assert omni.stats.forwards == omni.stats.calls
        assert any("merged with itself" in reason for reason in omni.stats.solo_reasons)


@pytest.mark.parametrize(
    ("habit", "reason"),
    [("random", "draws random numbers"), ("writes", "writes into its arguments"), ("refuses company", "refused")],
)
def test_calls_that_cannot_be_repeated_or_merged_run_alone_and_right(habit: str, reason: str) -> None:
    torch.manual_seed(7)
    pipeline = tiny(habit)
    omni = Omni(pipeline=pipeline)
    calls = [{"generator": seeded(index), "num_inference_steps": 3} for index in range(3)]
    together = omni.map(calls)
    assert omni.stats.forwards == omni.stats.calls
    assert any(reason in known for known in omni.stats.solo_reasons), omni.stats.solo_reasons
    if habit != "random":
        for index, output in enumerate(together):
            assert torch.equal(output, pipeline(generator=seeded(index), num_inference_steps=3))


def test_a_call_with_side_effects_runs_once_only() -> None:
    pipeline = tiny("random")
    Omni(pipeline=pipeline).map([{"generator": seeded(index), "num_inference_steps": 4} for index in range(3)])
    assert pipeline.unet.runs == 12


@pytest.mark.parametrize("habit", ["pops", "one list for all", "layers first"])
def test_models_take_their_arguments_in_ways_of_their_own(habit: str) -> None:
    """They empty the lists they are given, use one list for the whole batch, or have its rows in dimension 1."""
    plain, together, omni = run_both(habit)
    for mine, theirs in zip(plain, together, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert omni.stats.forwards < omni.stats.calls
