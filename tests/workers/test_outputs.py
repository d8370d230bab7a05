"""Whatever diffusers returns becomes raw files of the right shape."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

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
