"""Five families of real pipelines with tiny random weights: alone against shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import UNEQUAL_PROMPTS, case, flatten_output
from omni_jobs.errors import Misconfigured
from workers import Omni

FAMILIES = ["qwen-image", "flux", "sd3", "sdxl", "z-image"]
STEPS = (2, 5, 3)
#: Greatest difference between alone and together, on outputs in [0, 1], fp32.
BOUND = 1e-4


def greatest_difference(mine: object, theirs: object) -> float:
    pairs = zip(flatten_output(mine), flatten_output(theirs), strict=True)
    return max((torch.as_tensor(a) - torch.as_tensor(b)).abs().max().item() for a, b in pairs)


@pytest.mark.parametrize("name", FAMILIES)
def test_alone_is_bit_identical(name: str) -> None:
    member = case(name)
    pipeline = member.build()
    plain = pipeline(**member.inputs(seed=1, prompt=UNEQUAL_PROMPTS[0], steps=3))
    (alone,) = Omni(pipeline=pipeline).map([member.inputs(seed=1, prompt=UNEQUAL_PROMPTS[0], steps=3)])
    assert type(alone) is type(plain)
    assert greatest_difference(plain, alone) == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_together_is_within_the_bound_in_fewer_forwards(name: str) -> None:
    member = case(name)
    pipeline = member.build()

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[index], steps=STEPS[index])

    plain = [pipeline(**inputs(index)) for index in range(len(STEPS))]
    omni = Omni(pipeline=pipeline)
    together = omni.map([inputs(index) for index in range(len(STEPS))])
    for mine, theirs in zip(plain, together, strict=True):
        assert greatest_difference(mine, theirs) <= BOUND
    assert omni.stats.forwards < omni.stats.calls
    assert omni.stats.max_batch >= 2


def test_a_model_loads_from_its_folder(tmp_path: Path) -> None:
    member = case("sdxl")
    pipeline = member.build()
    pipeline.save_pretrained(tmp_path / "model")
    inputs = member.inputs(seed=1, prompt="a cat", steps=2)
    omni = Omni(model=str(tmp_path / "model"))
    (loaded,) = omni.map([inputs])
    assert greatest_difference(pipeline(**member.inputs(seed=1, prompt="a cat", steps=2)), loaded) <= BOUND


def test_a_missing_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no folder"):
        Omni(model=str(tmp_path / "nothing"))
    with pytest.raises(Misconfigured, match=r"model_index\.json"):
        Omni(model=str(tmp_path))
    with pytest.raises(Misconfigured, match="caps"):
        Omni(model=str(tmp_path), caps="plenty")
