"""All pictures of a run on one, with their words: the page that a newcomer looks at first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from omni_jobs.demo.drawing import Drawn

COLUMNS = 8
TILE_PIXELS = 128
GAP_PIXELS = 14
WORDS_PIXELS = 46
FONT_PIXELS = 12
#: Stands for the words of a picture that is shown to be changed.
ARROW = "->"
PAPER, INK, FRAME = (255, 255, 255), (55, 60, 70), (215, 218, 224)


def contact_sheet(drawn: Sequence[Drawn]) -> Image.Image:
    """Generations first; each edit stands to the right of the picture that it changed."""
    pictures = {one.order.number: one.picture for one in drawn}
    tiles = [(one.picture, one.order.prompt) for one in drawn if one.order.source is None]
    for one in drawn:
        if one.order.source is not None:
            tiles += [(pictures[one.order.source], ARROW), (one.picture, one.order.prompt)]
    rows = -(-len(tiles) // COLUMNS)
    step_x, step_y = TILE_PIXELS + GAP_PIXELS, TILE_PIXELS + WORDS_PIXELS + GAP_PIXELS
    sheet = Image.new("RGB", (COLUMNS * step_x + GAP_PIXELS, rows * step_y + GAP_PIXELS), PAPER)
    font = ImageFont.load_default(FONT_PIXELS)
    for number, (path, words) in enumerate(tiles):
        place = (GAP_PIXELS + number % COLUMNS * step_x, GAP_PIXELS + number // COLUMNS * step_y)
        _paste(sheet, path, words, place, font)
    return sheet


def _paste(sheet: Image.Image, path: Path, words: str, place: tuple[int, int], font: ImageFont.ImageFont) -> None:
    left, top = place
    with Image.open(path) as picture:
        sheet.paste(picture.convert("RGB").resize((TILE_PIXELS, TILE_PIXELS), Image.Resampling.BICUBIC), place)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left - 1, top - 1, left + TILE_PIXELS, top + TILE_PIXELS), outline=FRAME)
    if words == ARROW:
        _draw_arrow(pen, left + TILE_PIXELS + GAP_PIXELS / 2, top + TILE_PIXELS / 2)
        return
    for number, line in enumerate(_lines(pen, words, font)):
        pen.text((left, top + TILE_PIXELS + 3 + number * (FONT_PIXELS + 3)), line, fill=INK, font=font)


def _draw_arrow(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """A small triangle that points to the right, centred at (x, y)."""
    pen.polygon([(x - 4, y - 6), (x - 4, y + 6), (x + 4, y)], fill=INK)


def _lines(pen: ImageDraw.ImageDraw, words: str, font: ImageFont.ImageFont) -> list[str]:
    """The words broken to the width of a tile."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.textlength(longer, font=font) > TILE_PIXELS:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
