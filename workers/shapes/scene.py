"""The world of the demo model: one coloured shape on a plain background, and the pictures of it.

Everything is procedural and exact, so that training needs no data set and a judge can tell a right picture
from a wrong one. A scene has four attributes that words name, and a jitter that seeds are free to choose.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURE_SIZE = 64
CENTRE = PICTURE_SIZE / 2
CELL_PITCH = 15
JITTER_PIXELS = 2.0
RADIUS_PIXELS = (12.5, 14.5)
SUPERSAMPLING = 4

SHAPES = ("circle", "square", "triangle", "diamond", "star", "heart", "cross", "ring")
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 40),
    "orange": (250, 145, 20),
    "yellow": (250, 230, 50),
    "green": (40, 165, 70),
    "blue": (45, 85, 220),
    "purple": (125, 45, 165),
    "pink": (250, 145, 200),
    "white": (250, 250, 250),
    "black": (20, 20, 20),
}
COLOURS = tuple(PALETTE)
BACKGROUNDS = tuple(PALETTE)
# Cell offsets from the centre, in (column, row).
POSITIONS: dict[str, tuple[int, int]] = {
    "top left": (-1, -1),
    "top": (0, -1),
    "top right": (1, -1),
    "left": (-1, 0),
    "center": (0, 0),
    "right": (1, 0),
    "bottom left": (-1, 1),
    "bottom": (0, 1),
    "bottom right": (1, 1),
}

Mask = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """What a picture shows; every field is one of the names above, and colour and background differ."""

    shape: str
    colour: str
    position: str
    background: str

    def differences(self, other: Scene) -> tuple[str, ...]:
        """Names of the attributes in which the two scenes differ."""
        return tuple(name for name in ATTRIBUTES if getattr(self, name) != getattr(other, name))

    def changed(self, attribute: str, value: str) -> Scene:
        """This scene with one attribute replaced."""
        return replace(self, **{attribute: value})


ATTRIBUTES = ("shape", "colour", "position", "background")


@dataclass(frozen=True)
class Jitter:
    """What words do not name: the offset of the shape from its cell's centre and its radius, in pixels."""

    column: float
    row: float
    radius: float


def is_held_out(scene: Scene) -> bool:
    """True for the tenth of all combinations that no training picture ever shows."""
    key = f"{scene.shape}/{scene.colour}/{scene.position}/{scene.background}"
    return hashlib.sha256(key.encode()).digest()[0] % 10 == 0


@cache
def all_scenes() -> tuple[Scene, ...]:
    """Every scene whose shape can be told from its background, in a fixed order."""
    combinations = itertools.product(SHAPES, COLOURS, POSITIONS, BACKGROUNDS)
    return tuple(Scene(*names) for names in combinations if names[1] != names[3])


@cache
def training_scenes() -> tuple[Scene, ...]:
    """The scenes that training may show."""
    return tuple(scene for scene in all_scenes() if not is_held_out(scene))


@cache
def held_out_scenes() -> tuple[Scene, ...]:
    """The scenes that only the evaluation asks for."""
    return tuple(scene for scene in all_scenes() if is_held_out(scene))


def _star(u: Mask, v: Mask) -> Any:
    angle = np.abs((np.arctan2(u, -v) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    radius = np.hypot(u, v)
    inner, tip = 0.42, 1.05
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    corner_x, corner_y = inner * np.cos(np.pi / 5), inner * np.sin(np.pi / 5)
    return x * corner_y + y * (tip - corner_x) <= tip * corner_y


def _heart(u: Mask, v: Mask) -> Any:
    x, y = 1.18 * u, -1.12 * v + 0.12
    return (x * x + y * y - 1) ** 3 <= x * x * y * y * y


def _cross(u: Mask, v: Mask) -> Any:
    wide, high = np.abs(u), np.abs(v)
    return (np.minimum(wide, high) <= 0.3) & (np.maximum(wide, high) <= 0.98)


# Inside tests in units of the radius; u grows to the right, v downwards.
INSIDE: dict[str, Callable[[Mask, Mask], Any]] = {
    "circle": lambda u, v: np.hypot(u, v) <= 0.95,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) <= 0.82,
    "triangle": lambda u, v: (v <= 0.75) & (np.abs(u) <= (v + 0.95) * 0.58),
    "diamond": lambda u, v: np.abs(u) * 1.15 + np.abs(v) <= 1.05,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "ring": lambda u, v: (np.hypot(u, v) <= 1.0) & (np.hypot(u, v) >= 0.55),
}


def draw_mask(shape: str, column: float, row: float, radius: float) -> Mask:
    """Coverage of the shape in [0, 1], float32 (64, 64); centre and radius in pixels, antialiased."""
    samples = (np.arange(PICTURE_SIZE * SUPERSAMPLING, dtype=np.float32) + 0.5) / SUPERSAMPLING
    u = ((samples - column) / radius)[None, :]
    v = ((samples - row) / radius)[:, None]
    inside = INSIDE[shape](*np.broadcast_arrays(u, v))
    blocks = inside.reshape(PICTURE_SIZE, SUPERSAMPLING, PICTURE_SIZE, SUPERSAMPLING)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def cell_centre(position: str) -> tuple[int, int]:
    """Column and row, in pixels, of the centre of a named position."""
    column, row = POSITIONS[position]
    return int(CENTRE) + column * CELL_PITCH, int(CENTRE) + row * CELL_PITCH


def draw_jitter(random: np.random.Generator) -> Jitter:
    """A jitter as training pictures have it."""
    column, row = random.uniform(-JITTER_PIXELS, JITTER_PIXELS, 2)
    return Jitter(float(column), float(row), float(random.uniform(*RADIUS_PIXELS)))


def paint(mask: Mask, colour: str, background: str) -> Picture:
    """The picture, uint8 (64, 64, 3), of a coverage mask in two named colours."""
    front = np.asarray(PALETTE[colour], dtype=np.float32)
    back = np.asarray(PALETTE[background], dtype=np.float32)
    blend = back + mask[..., None] * (front - back)
    return np.asarray(np.rint(blend), dtype=np.uint8)


def render(scene: Scene, jitter: Jitter) -> Picture:
    """The exact picture, uint8 (64, 64, 3), of a scene."""
    column, row = cell_centre(scene.position)
    mask = draw_mask(scene.shape, column + jitter.column, row + jitter.row, jitter.radius)
    return paint(mask, scene.colour, scene.background)
