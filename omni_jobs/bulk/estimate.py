"""How long a manifest will take and how much it will write, before it runs. Guesses, and said to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omni_jobs.bulk.manifest import Entry, Line, Repeat
from omni_jobs.costs import expected_seconds, number
from omni_jobs.schemas import JobRequest, ModelCard

#: Bytes per pixel of photographs, by format; flat pictures take less.
BYTES_PER_PIXEL = {"png": 1.8, "jpeg": 0.4, "webp": 0.25, "mp4": 0.03}
#: Pixels of a side that neither the line nor the model says.
DEFAULT_SIDE = 1024


@dataclass
class Estimate:
    """Totals over a manifest. `device_seconds` is by steps and pixels alone, for no device in particular."""

    lines: int = 0
    pictures: int = 0
    repeats: int = 0
    problems: int = 0
    device_seconds: float = 0.0
    size_bytes: float = 0.0
    models: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry, cards: Mapping[str, ModelCard]) -> None:
        """Count one entry."""
        if isinstance(entry, Line):
            request = entry.request
            card = cards.get(request.model, _unknown(request.model))
            self.lines += 1
            self.pictures += request.num_outputs
            self.models[request.model] += 1
            self.device_seconds += expected_seconds(request, card)
            self.size_bytes += request.num_outputs * expected_bytes(request, card)
        elif isinstance(entry, Repeat):
            self.repeats += 1
        else:
            self.problems += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "pictures": self.pictures,
            "repeats": self.repeats,
            "problems": self.problems,
            "models": dict(self.models),
            "device_seconds": round(self.device_seconds, 1),
            "size_bytes": round(self.size_bytes),
        }


def estimate(entries: Iterable[Entry], cards: Mapping[str, ModelCard]) -> Estimate:
    """The totals of these entries."""
    found = Estimate()
    for entry in entries:
        found.add(entry, cards)
    return found


def expected_bytes(request: JobRequest, card: ModelCard) -> float:
    """A guess of the bytes of one output."""
    given: dict[str, Any] = card.defaults | request.parameters
    is_clip = card.media == "video"
    pixels = number(given, "width", DEFAULT_SIDE) * number(given, "height", DEFAULT_SIDE)
    pixels *= number(given, "num_frames", 1) if is_clip else 1
    form = request.output.format or ("mp4" if is_clip else "png")
    return pixels * BYTES_PER_PIXEL.get(form, 0.0)


def _unknown(model: str) -> ModelCard:
    return ModelCard(name=model, tasks=(), pipeline="", parameters_schema={})
