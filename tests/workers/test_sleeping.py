"""Weights leave and return, of real pipelines: the same bytes, the same proofs; and what must stay is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.stepping.pipelines import seeded, tiny
from workers import Omni
from workers.engine_process.describe import describe
from workers.footprint import foreseen_bytes, weight_bytes
from workers.registry import ModelRow


def drawn(omni: Omni) -> list[Any]:
    return omni.map([{"generator": seeded(n), "num_inference_steps": 3} for n in range(3)])


@pytest.mark.parametrize("level", [1, 2])
def test_a_model_wakes_as_it_was(level: int, tmp_path: Path) -> None:
    case("flux").build().save_pretrained(tmp_path)
    omni = Omni(model=str(tmp_path))
    calls = [case("flux").inputs(n, "a fox", 2) for n in range(2)]
    before = omni.map(calls)
    omni.sleep(level)
    omni.wake_up()
    after = omni.map([case("flux").inputs(n, "a fox", 2) for n in range(2)])
    for mine, theirs in zip(before, after, strict=True):
        assert abs(flatten_output(mine)[0] - flatten_output(theirs)[0]).max() == 0


def test_what_was_proved_holds_over_a_sleep_and_encodings_are_forgotten() -> None:
    omni = Omni(pipeline=tiny())
    drawn(omni)
    proofs = omni.stats.proofs
    omni.sleep()
    omni.wake_up()
    drawn(omni)
    assert omni.stats.proofs == proofs > 0


def test_weights_that_must_stay_are_not_put_to_sleep() -> None:
    # The option is checked by name: nothing is offloaded on a machine without a device to offload from.
    row = ModelRow("m", "x/y", acceleration={"offload": "model"})
    assert not describe(row, tiny()).frees_by_sleeping
    omni = Omni(pipeline=tiny())
    worker = omni._engine.executor.worker  # type: ignore[attr-defined]
    worker.worker.od_config = row.engine_config()
    with pytest.raises(Misconfigured, match=r"cannot sleep: `acceleration\.offload`"):
        omni.sleep()


def test_sizes_are_foreseen_from_files_and_measured_in_memory(tmp_path: Path) -> None:
    pipeline = case("flux").build()
    pipeline.save_pretrained(tmp_path)
    measured, foreseen = weight_bytes(pipeline), foreseen_bytes(ModelRow("m", str(tmp_path)))
    assert foreseen is not None
    assert 0 <= foreseen - measured < 0.2 * foreseen, "files hold headers besides"
    assert weight_bytes(pipeline.to(torch.bfloat16)) < 0.6 * measured
    assert foreseen_bytes(ModelRow("m", "owner/name")) is None
    assert describe(ModelRow("m", "x/y"), pipeline).weight_bytes == weight_bytes(pipeline)
