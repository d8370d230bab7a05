"""Recipes for the pictures, masks, frames and tensors that cases pass to their pipelines.

A recipe is plain data inside a case; `resolve` makes the object from the request's seed and size, so that
two requests with equal seeds get equal media and swapped sizes get swapped media.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Size = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """A picture of the request's size (or a fixed one): a gradient with a random box."""

    size: Size | None = None
    salt: int = 0
    mode: str = "RGB"

    def make(self, seed: int, size: Size) -> Image:
        from PIL import Image, ImageDraw

        height, width = self.size or size
        draw_from = random.Random(1000 * self.salt + seed)
        picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
        for _ in range(6):
            left, top = draw_from.randrange(width), draw_from.randrange(height)
            colour = tuple(draw_from.randrange(256) for _ in range(3))
            ImageDraw.Draw(picture).rectangle((left, top, left + width // 3, top + height // 3), fill=colour)
        return picture.convert(self.mode)


@dataclass(frozen=True)
class Mask:
    """A black picture with a white box in the middle, as inpainting takes it."""

    size: Size | None = None

    def make(self, seed: int, size: Size) -> Image:
        from PIL import Image, ImageDraw

        height, width = self.size or size
        mask = Image.new("L", (width, height), 0)
        ImageDraw.Draw(mask).rectangle((width // 4, height // 4, 3 * width // 4, 3 * height // 4), fill=255)
        return mask


@dataclass(frozen=True)
class Frames:
    """A list of `count` pictures."""

    count: int
    size: Size | None = None
    salt: int = 0
    masks: bool = False

    def make(self, seed: int, size: Size) -> list[Image]:
        if self.masks:
            return [Mask(self.size).make(seed, size) for _ in range(self.count)]
        return [Picture(self.size, self.salt + index).make(seed, size) for index in range(self.count)]


@dataclass(frozen=True)
class Noise:
    """A normal tensor; the letters H and W in `shape` stand for the height and width divided by `divide`."""

    shape: tuple[int | str, ...]
    divide: int = 1
    salt: int = 0

    def make(self, seed: int, size: Size) -> torch.Tensor:
        import torch

        named = {"H": size[0] // self.divide, "W": size[1] // self.divide}
        shape = [named[item] if isinstance(item, str) else item for item in self.shape]
        return torch.randn(shape, generator=torch.Generator().manual_seed(1000 * self.salt + seed))


@dataclass(frozen=True)
class Seed:
    """The request's seed itself, for calls that take it beside or instead of a generator."""

    def make(self, seed: int, size: Size) -> int:
        return seed


Recipe = (Picture, Mask, Frames, Noise, Seed)


def resolve(value: Any, seed: int, size: Size) -> Any:
    """Replace the recipes in `value`, also inside lists, tuples and dicts; containers come out fresh."""
    if isinstance(value, Recipe):
        return value.make(seed, size)
    if isinstance(value, (list, tuple)):
        return type(value)(resolve(item, seed, size) for item in value)
    if isinstance(value, dict):
        return {key: resolve(item, seed, size) for key, item in value.items()}
    return value
