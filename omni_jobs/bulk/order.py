"""In which order lines are rendered: like lines together, models changing seldom, in a bounded window. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omni_jobs.bulk.manifest import Line
from omni_jobs.costs import shape_of
from omni_jobs.schemas import ModelCard

#: Lines that are looked at together. A window's lines are in memory, about 2 KB each.
WINDOW_LINES = 4096


def ordered(lines: Sequence[Line], model: str | None, cards: Mapping[str, ModelCard]) -> list[Line]:
    """A window's lines: those of the model that is at work first, then by model, shape and prompt.

    One shape can share forwards, one prompt can share its encoding.
    """

    def place(line: Line) -> tuple[bool, str, str, str, str, int]:
        request = line.request
        card = cards.get(request.model) or ModelCard(
            name=request.model, tasks=(), pipeline="", parameters_schema={}
        )
        shape = shape_of(request, card)
        is_other = request.model != model
        return is_other, request.model, shape, request.prompt, request.negative_prompt or "", line.number

    return sorted(lines, key=place)
