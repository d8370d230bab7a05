"""How outputs are judged against each other: by their values, and where those are rounded, by how many moved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.conformance import BOUND, difference

DRAWN = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)


def eight_bit(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (pixels * 255).astype(np.uint8).astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("error", [1e-6, 1e-5])
def test_a_pixel_that_fell_to_the_next_level_is_rounding(error: float) -> None:
    moved = eight_bit(DRAWN + np.float32(error))
    assert np.abs(moved - eight_bit(DRAWN)).max() > 1e-3
    assert difference(eight_bit(DRAWN), moved) == pytest.approx(error, rel=0.9)


@pytest.mark.parametrize("error", [1e-3, 5e-3])
def test_pixels_that_moved_are_no_rounding(error: float) -> None:
    assert difference(eight_bit(DRAWN), eight_bit(np.minimum(DRAWN + np.float32(error), 1))) > BOUND
    assert difference(DRAWN, DRAWN + np.float32(error)) > BOUND


def test_one_pixel_of_another_picture_is_wrong() -> None:
    wrong = eight_bit(DRAWN)
    wrong[5, 5, 0] = 1 - wrong[5, 5, 0]
    assert difference(eight_bit(DRAWN), wrong) > BOUND
    assert difference(np.uint8(DRAWN * 255), np.uint8(wrong * 255)) > BOUND


def test_values_that_nobody_rounded_are_compared_as_they_are() -> None:
    off = DRAWN.copy()
    off[0, 0, 0] += 1 / 255
    assert difference(DRAWN, off) == pytest.approx(1 / 255, rel=1e-3)
