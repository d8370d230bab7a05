"""Reads a picture and says which scene it shows, from its pixels alone.

The evaluation, the tests and the demo use it: a wrong picture can be told from a right one without a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from workers.shapes.scene import (
    ATTRIBUTES,
    CENTRE,
    PALETTE,
    PICTURE_SIZE,
    POSITIONS,
    SHAPES,
    Picture,
    Scene,
    cell_centre,
    draw_mask,
)

# A ring drawn one pixel too thick overlaps the ring of its area by 0.71; two shapes that touch reach 0.6.
LEAST_OVERLAP = 0.68
LEAST_AREA_PIXELS = 60
# A shape counts as standing in a cell up to this distance, in pixels, from the cell's centre on either axis.
CELL_TOLERANCE = 6.0
COLOUR_TOLERANCE = 60.0
REFERENCE_RADIUS = 14.0


@dataclass(frozen=True)
class Verdict:
    """What the judge saw; an attribute it could not read is None."""

    shape: str | None
    colour: str | None
    position: str | None
    background: str | None
    overlap: float

    def agrees(self, scene: Scene) -> dict[str, bool]:
        """For every attribute of the scene, whether the picture shows it."""
        return {name: getattr(self, name) == getattr(scene, name) for name in ATTRIBUTES}


@dataclass(frozen=True)
class _Template:
    """Area and centroid offset of a shape of radius 1, in units of the radius."""

    area: float
    column: float
    row: float


def judge(picture: Picture) -> Verdict:
    """Read a picture, uint8 (64, 64, 3)."""
    values = picture.astype(np.float32)
    border = np.concatenate([values[:2].reshape(-1, 3), values[-2:].reshape(-1, 3), values[:, 0], values[:, -1]])
    ground = np.median(border, axis=0)
    background = _nearest_colour(ground)
    distance = np.linalg.norm(values - ground, axis=2)
    inside = distance > 0.5 * np.percentile(distance, 97)
    if inside.sum() < LEAST_AREA_PIXELS or distance.max() < COLOUR_TOLERANCE:
        return Verdict(None, None, None, background, 0.0)
    colour = _nearest_colour(np.median(values[inside], axis=0))
    shape, overlap, column, row = _best_shape(inside)
    if overlap < LEAST_OVERLAP:
        return Verdict(None, colour, _cell(column, row), background, overlap)
    return Verdict(shape, colour, _cell(column, row), background, overlap)


def _nearest_colour(value: NDArray[np.float32]) -> str | None:
    name = min(PALETTE, key=lambda name: float(np.linalg.norm(value - np.asarray(PALETTE[name]))))
    return name if np.linalg.norm(value - np.asarray(PALETTE[name])) < COLOUR_TOLERANCE else None


@cache
def _templates() -> dict[str, _Template]:
    return {shape: _measure(shape) for shape in SHAPES}


def _measure(shape: str) -> _Template:
    mask = draw_mask(shape, CENTRE, CENTRE, REFERENCE_RADIUS)
    column, row = _centroid(mask)
    return _Template(
        float(mask.sum()) / REFERENCE_RADIUS**2,
        (column - CENTRE) / REFERENCE_RADIUS,
        (row - CENTRE) / REFERENCE_RADIUS,
    )


def _centroid(mask: NDArray[np.float32]) -> tuple[float, float]:
    places = np.arange(PICTURE_SIZE) + 0.5
    return float(mask.sum(0) @ places / mask.sum()), float(mask.sum(1) @ places / mask.sum())


def _best_shape(inside: NDArray[np.bool_]) -> tuple[str, float, float, float]:
    """The shape of greatest overlap (intersection over union) at equal area and centroid, and its centre."""
    area = float(inside.sum())
    centroid_column, centroid_row = _centroid(inside.astype(np.float32))
    found = []
    for shape, template in _templates().items():
        radius = (area / template.area) ** 0.5
        column, row = centroid_column - template.column * radius, centroid_row - template.row * radius
        drawn = draw_mask(shape, column, row, radius) > 0.5
        overlap = float((drawn & inside).sum()) / float((drawn | inside).sum())
        found.append((overlap, shape, column, row))
    overlap, shape, column, row = max(found)
    return shape, overlap, column, row


def _cell(column: float, row: float) -> str | None:
    for name in POSITIONS:
        cell_column, cell_row = cell_centre(name)
        if abs(column - cell_column) <= CELL_TOLERANCE and abs(row - cell_row) <= CELL_TOLERANCE:
            return name
    return None
