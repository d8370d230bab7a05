"""What the demo asks for: pictures, then changes to some of them. Every row says what must be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Denoising steps of the jobs in turn: all of them share forwards nevertheless.
STEPS = (6, 8, 10, 12)

#: Prompt, and what it means: shape, colour, position, background.
GENERATIONS = (
    ("a red circle on white", "circle/red/center/white"),
    ("a blue star at the top left on yellow", "star/blue/top left/yellow"),
    ("a green heart at the bottom right on a pink background", "heart/green/bottom right/pink"),
    ("a yellow ring on a black background", "ring/yellow/center/black"),
    ("draw a purple diamond at the left on orange", "diamond/purple/left/orange"),
    ("orange triangle, top, blue background", "triangle/orange/top/blue"),
    ("a pink cross in the bottom left of a green picture", "cross/pink/bottom left/green"),
    ("a black square on red", "square/black/center/red"),
    ("a white star in the center of a purple background", "star/white/center/purple"),
    ("a red heart at the top right on black", "heart/red/top right/black"),
    ("an orange ring at the bottom on a white background", "ring/orange/bottom/white"),
    ("a blue circle in the right on pink", "circle/blue/right/pink"),
    ("green cross on yellow", "cross/green/center/yellow"),
    ("a yellow diamond at the top on purple", "diamond/yellow/top/purple"),
    ("draw a pink square at the bottom left on blue", "square/pink/bottom left/blue"),
    ("a purple triangle at the bottom right on green", "triangle/purple/bottom right/green"),
    ("a white circle in the top left of a black picture", "circle/white/top left/black"),
    ("black heart, center, white background", "heart/black/center/white"),
    ("an orange star at the right on a blue background", "star/orange/right/blue"),
    ("a blue ring in the bottom left on yellow", "ring/blue/bottom left/yellow"),
    ("a red diamond at the top right on white", "diamond/red/top right/white"),
    ("a green square at the bottom on a red background", "square/green/bottom/red"),
    ("a yellow triangle at the left on black", "triangle/yellow/left/black"),
    ("a pink cross at the top on orange", "cross/pink/top/orange"),
)
#: Which of the pictures above is changed, how, and what must be seen then.
EDITS = (
    (0, "make the circle blue", "circle/blue/center/white"),
    (1, "white background", "star/blue/top left/white"),
    (3, "move the ring to the bottom right", "ring/yellow/bottom right/black"),
    (7, "make it white", "square/white/center/red"),
    (8, "move the star to the top left", "star/white/top left/purple"),
    (9, "change the background to yellow", "heart/red/top right/yellow"),
    (17, "paint the heart purple", "heart/purple/center/white"),
    (20, "put the diamond in the center", "diamond/red/center/white"),
)


@dataclass(frozen=True)
class Order:
    """One job: its words, what must be seen, its seed and steps, and the number of the picture it changes."""

    number: int
    prompt: str
    scene: dict[str, str]
    seed: int
    steps: int
    source: int | None = None

    @property
    def task(self) -> str:
        return "generate" if self.source is None else "edit"

    @property
    def file_name(self) -> str:
        """Of its picture: number and words."""
        words = "-".join("".join(letter if letter.isalpha() else " " for letter in self.prompt).split())
        return f"{self.number:02}-{words}.png"

    def body(self, webhook_url: str, images: tuple[str, ...] = ()) -> dict[str, Any]:
        """The job as the API takes it."""
        return {
            "task": self.task,
            "model": "shapes",
            "prompt": self.prompt,
            "seed": self.seed,
            "parameters": {"num_inference_steps": self.steps},
            "webhook": {"url": webhook_url},
            "tags": ["demo"],
        } | ({"images": images} if images else {})


def generations() -> list[Order]:
    """The pictures drawn from nothing, numbered from 0."""
    return [_order(number, prompt, scene) for number, (prompt, scene) in enumerate(GENERATIONS)]


def edits() -> list[Order]:
    """The changes, numbered on from the generations."""
    first = len(GENERATIONS)
    return [_order(first + n, prompt, scene, source) for n, (source, prompt, scene) in enumerate(EDITS)]


def _order(number: int, prompt: str, scene: str, source: int | None = None) -> Order:
    seen = dict(zip(("shape", "colour", "position", "background"), scene.split("/"), strict=True))
    return Order(number, prompt, seen, seed=1000 + number, steps=STEPS[number % len(STEPS)], source=source)
