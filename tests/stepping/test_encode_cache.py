"""A prompt is encoded once, and never remembered beyond the weights that encoded it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.zoo import case, flatten_output
from workers import Omni
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest


@pytest.fixture
def pipeline() -> Any:
    made = case("sd").build()
    made.set_progress_bar_config(disable=True)
    return made


def inputs(seed: int, prompt: str = "a cat") -> dict[str, Any]:
    return case("sd").inputs(seed=seed, prompt=prompt, steps=2)


def count_forwards(module: torch.nn.Module) -> list[int]:
    made: list[int] = []
    module.register_forward_hook(lambda *_args: made.append(1))
    return made


def test_fifty_seeds_of_one_prompt_encode_it_once(pipeline: Any) -> None:
    forwards = count_forwards(pipeline.text_encoder)
    omni = Omni(pipeline=pipeline)
    omni.map([inputs(seed) for seed in range(50)])
    # One for the prompt, one for the empty negative prompt.
    assert len(forwards) <= 2
    assert omni.stats.encode_hits >= 98


def test_new_weights_are_noticed(pipeline: Any) -> None:
    omni = Omni(pipeline=pipeline)
    omni.map([inputs(1)])
    with torch.no_grad():
        for parameter in pipeline.text_encoder.parameters():
            parameter.mul_(1.5)
    (again,) = omni.map([inputs(1)])
    plain = pipeline(**inputs(1))
    assert all((a == b).all() for a, b in zip(flatten_output(plain), flatten_output(again), strict=True))


def test_a_deterministic_request_takes_nothing_that_was_computed_in_company(pipeline: Any) -> None:
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(8)", offline=True))
    prompts = ["a cat", "a red fox", "an old owl"]
    engine.step([OmniDiffusionRequest(arguments=inputs(1, prompt)) for prompt in prompts])
    (output,) = engine.step([OmniDiffusionRequest(arguments=inputs(1), deterministic=True)])
    plain = pipeline(**inputs(1))
    assert all((a == b).all() for a, b in zip(flatten_output(plain), flatten_output(output.output), strict=True))
