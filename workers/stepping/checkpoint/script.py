"""The calls that a request has made since its first denoiser call: what a resumed run must make again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.engine.calls import Lane
from workers.stepping.checkpoint.hollow import outline
from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.fiber import ComponentCall
from workers.stepping.lanes import lane_of


@dataclass(frozen=True, slots=True)
class Note:
    """One call: `given` tells the shapes of its arguments, `returned` that of its output, if zeros may stand for
    it: not for what is no denoiser's, and not where the call leaves attention maps for its pipeline to read."""

    component: str
    method: str
    given: int
    returned: Any = None

    @classmethod
    def of(cls, call: ComponentCall) -> Note:
        return cls(call.component, call.method, outline(call.args, call.kwargs))

    def check(self, call: ComponentCall) -> None:
        """Raises Refused if a resumed run makes another call here."""
        now = Note.of(call)
        if (now.component, now.method, now.given) != (self.component, self.method, self.given):
            raise Refused(
                f"the run takes another way: {call.component}.{call.method} instead of {self.component}."
                f"{self.method}, or with other shapes"
            )


def is_denoiser(call: ComponentCall) -> bool:
    """Whether zeros may stand for a call's output. An adapter's features serve the whole run: it runs again."""
    denoises = lane_of(call.component, call.module, call.method) is Lane.DENOISE
    return denoises and not call.component.rpartition(".")[2].startswith("adapter")


def to_json(notes: Sequence[Note]) -> dict[str, Any]:
    """Distinct notes once, and which came when."""
    texts = [json.dumps(asdict(note)) for note in notes]
    distinct = list(dict.fromkeys(texts))
    places = {text: place for place, text in enumerate(distinct)}
    return {"notes": [json.loads(text) for text in distinct], "calls": [places[text] for text in texts]}


def from_json(data: dict[str, Any]) -> list[Note]:
    """The notes in order."""
    notes = [Note(**note) for note in data["notes"]]
    return [notes[place] for place in data["calls"]]
