"""What only GPUs can run: ring attention, alone and with Ulysses. Written without one; never run so far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import case, flatten_output
from workers import Omni

pytestmark = pytest.mark.gpu
#: Greatest difference between spread and alone, on outputs in [0, 1], bfloat16.
BOUND = 5e-2


@pytest.mark.parametrize(
    "degrees", [{"ring_degree": 2}, {"ulysses_degree": 2}, {"ring_degree": 2, "ulysses_degree": 2}]
)
def test_tokens_are_divided_as_in_one_process(degrees: Mapping[str, int], tmp_path: Path) -> None:
    ranks = 2 ** len(degrees)
    if torch.cuda.device_count() < ranks:
        pytest.skip(f"needs {ranks} GPUs")
    member = case("flux")
    member.build().save_pretrained(tmp_path / "flux")
    common: dict[str, Any] = {"dtype": "bfloat16", "acceleration": {"attention_backend": "_native_flash"}}
    outputs = []
    for given in ({}, degrees):
        omni = Omni(model=str(tmp_path / "flux"), parallel_config=dict(given), **common)
        outputs.append(omni.map([member.inputs(1, "a fox", 2)])[0])
        omni.close()
    for mine, theirs in zip(*(flatten_output(output) for output in outputs), strict=True):
        assert (torch.as_tensor(mine) - torch.as_tensor(theirs)).abs().max().item() < BOUND
