"""How long a manifest will take and how much it will write, before it runs. Guesses, and said to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omni_jobs.bulk.manifest import Entry, Line, Repeat
from omni_jobs.bulk.results import Outcome, Result
from omni_jobs.costs import expected_seconds, number
from omni_jobs.schemas import JobRequest, ModelCard

#: Bytes per pixel of photographs, by format; flat pictures take less.
BYTES_PER_PIXEL = {"png": 1.8, "jpeg": 0.4, "webp": 0.25, "mp4": 0.03}
#: Pixels of a side that neither the line nor the model says.
DEFAULT_SIDE = 1024


@dataclass
class Cost:
    """What lines take: time of a device, and bytes to write."""

    device_seconds: float = 0.0
    size_bytes: float = 0.0

    def add(self, device_seconds: float, size_bytes: float) -> None:
        """And so much more."""
        self.device_seconds += device_seconds
        self.size_bytes += size_bytes


@dataclass
class Estimate:
    """Totals over a manifest.

    `expected` is by steps and pixels alone, for no device in particular. Of the lines that were rendered before,
    `done`, it is known what they really took: that corrects what is expected of the others.
    """

    lines: int = 0
    pictures: int = 0
    repeats: int = 0
    problems: int = 0
    done: int = 0
    models: Counter[str] = field(default_factory=Counter)
    expected: Cost = field(default_factory=Cost)
    expected_of_done: Cost = field(default_factory=Cost)
    real_of_done: Cost = field(default_factory=Cost)

    def add(self, entry: Entry, cards: Mapping[str, ModelCard], last: Result | None = None) -> None:
        """Count one entry. `last` is what became of the line when it was rendered, if it was."""
        if isinstance(entry, Line):
            request = entry.request
            card = cards.get(request.model, _unknown(request.model))
            cost = expected_seconds(request, card), request.num_outputs * expected_bytes(request, card)
            self.lines += 1
            self.pictures += request.num_outputs
            self.models[request.model] += 1
            self.expected.add(*cost)
            if last is not None and last.status is Outcome.SUCCEEDED:
                self.done += 1
                self.expected_of_done.add(*cost)
                self.real_of_done.add(last.device_seconds, sum(output.size_bytes for output in last.outputs))
        elif isinstance(entry, Repeat):
            self.repeats += 1
        else:
            self.problems += 1

    @property
    def total(self) -> Cost:
        """The whole manifest's cost, corrected by what is known."""
        of_done, real = self.expected_of_done, self.real_of_done
        return Cost(
            self.expected.device_seconds * _ratio(real.device_seconds, of_done.device_seconds),
            self.expected.size_bytes * _ratio(real.size_bytes, of_done.size_bytes),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "pictures": self.pictures,
            "repeats": self.repeats,
            "problems": self.problems,
            "done": self.done,
            "models": dict(self.models),
            "device_seconds": round(self.total.device_seconds, 1),
            "size_bytes": round(self.total.size_bytes),
        }


def expected_bytes(request: JobRequest, card: ModelCard) -> float:
    """A guess of the bytes of one output."""
    given: dict[str, Any] = card.defaults | request.parameters
    is_clip = card.media == "video"
    pixels = number(given, "width", DEFAULT_SIDE) * number(given, "height", DEFAULT_SIDE)
    pixels *= number(given, "num_frames", 1) if is_clip else 1
    form = request.output.format or ("mp4" if is_clip else "png")
    return pixels * BYTES_PER_PIXEL.get(form, 0.0)


def _ratio(real: float, expected: float) -> float:
    return real / expected if real and expected else 1.0


def _unknown(model: str) -> ModelCard:
    return ModelCard(name=model, tasks=(), pipeline="", parameters_schema={})
