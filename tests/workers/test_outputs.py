"""Whatever diffusers returns becomes raw files of the right shape."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from omni_jobs.errors import ModerationBlocked
from workers.engine.request import DiffusionOutput
from workers.engine_process.extras import plain_metrics, spool_tensors
from workers.engine_process.outputs import spool_output


def test_the_rounding_is_that_of_diffusers(tmp_path: Path) -> None:
    """`numpy_to_pil` does `(images * 255).round()`; so do we."""
    values = np.random.default_rng(0).random((1, 3, 5, 7), dtype=np.float32)
    (file,) = spool_output(SimpleNamespace(images=values), tmp_path)
    expected = (values[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
    assert file.shape == (5, 7, 3)
    assert file.take() == expected.tobytes()


@pytest.mark.parametrize(
    ("output", "shapes", "kind"),
    [
        (SimpleNamespace(images=[Image.new("RGB", (6, 4)), Image.new("RGB", (6, 4))]), [(4, 6, 3)] * 2, "image"),
        (SimpleNamespace(images=np.zeros((2, 4, 6, 3), np.uint8)), [(4, 6, 3)] * 2, "image"),
        (SimpleNamespace(frames=np.zeros((1, 5, 3, 4, 6), np.float32)), [(5, 4, 6, 3)], "video"),
        (SimpleNamespace(frames=[[Image.new("RGB", (6, 4))] * 5]), [(5, 4, 6, 3)], "video"),
        (SimpleNamespace(audios=np.zeros((1, 2, 100), np.float32)), [(100, 2)], "audio"),
        (SimpleNamespace(audios=np.zeros((2, 100), np.float32)), [(100, 2)], "audio"),
        ((np.zeros((1, 3, 4, 6), np.float32),), [(4, 6, 3)], "image"),
    ],
)
def test_shapes(tmp_path: Path, output: Any, shapes: list[tuple[int, ...]], kind: str) -> None:
    files = spool_output(output, tmp_path)
    assert [file.shape for file in files] == shapes
    assert {file.kind for file in files} == {kind}
    assert all(Path(file.path).stat().st_size == file.size_bytes for file in files)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (SimpleNamespace(images=np.full((1, 3, 4, 4), np.nan, np.float32)), "not numbers"),
        (SimpleNamespace(audios=np.full((1, 2, 40), np.nan, np.float32)), "not numbers"),
        (SimpleNamespace(images=np.zeros((1, 7, 4, 5), np.float32)), "no channel axis"),
        (SimpleNamespace(latents=1), "without pictures"),
    ],
)
def test_what_is_no_picture_is_said(tmp_path: Path, output: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        spool_output(output, tmp_path)


def test_tensors_of_an_output_are_one_safetensors_file(tmp_path: Path) -> None:
    latents = torch.randn(3, 1, 4).to(torch.bfloat16)
    output = DiffusionOutput(
        trajectory_timesteps=[torch.tensor(900.0), torch.tensor(400.0)],
        trajectory_latents=latents.transpose(0, 2),
        metrics={
            "calls": 3,
            "attention": np.ones(5, np.float32),
            "note": "fine",
            "ratio": float("nan"),
            "odd": [],
        },
    )
    (file,) = spool_tensors(output, tmp_path)
    assert file.kind == "tensors"
    found = load(file.take())
    assert found.keys() == {"trajectory_timesteps", "trajectory_latents", "attention"}
    assert found["trajectory_timesteps"].tolist() == [900.0, 400.0]
    assert torch.equal(found["trajectory_latents"], latents.transpose(0, 2))
    assert plain_metrics(output.metrics) == {"calls": 3, "note": "fine"}
    assert spool_tensors(DiffusionOutput(metrics={"calls": 3}), tmp_path) == ()


def test_a_trajectory_that_is_no_tensor_is_said(tmp_path: Path) -> None:
    for wrong in ("words", [torch.ones(2), torch.ones(3)]):
        with pytest.raises(ValueError, match="trajectory_latents"):
            spool_tensors(DiffusionOutput(trajectory_latents=wrong), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_its_pipeline_blacked_out_is_refused_not_stored(tmp_path: Path) -> None:
    blackened = SimpleNamespace(images=np.zeros((1, 4, 6, 3), np.uint8), nsfw_content_detected=[True])
    with pytest.raises(ModerationBlocked):
        spool_output(blackened, tmp_path)
    assert not list(tmp_path.iterdir())
    for harmless in ([False], None):
        fine = SimpleNamespace(images=np.zeros((1, 4, 6, 3), np.uint8), nsfw_content_detected=harmless)
        assert len(spool_output(fine, tmp_path)) == 1
