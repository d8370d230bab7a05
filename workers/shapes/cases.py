"""What the evaluation asks for: held-out prompts and edits, the same ones every time.

No scene asked for here was ever shown in training, neither as a generated picture nor as the result of an edit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.shapes.captions import INSTRUCTIONS, write_instruction, write_prompt
from workers.shapes.scene import (
    Picture,
    Scene,
    draw_jitter,
    held_out_scenes,
    render,
    training_scenes,
)

# The share of prompts for a centred shape; about half of those name no position.
CENTRED_SHARE = 0.25


@dataclass(frozen=True)
class Case:
    """One request to the model: its words, the scene that must result, and the picture to edit, if any."""

    kind: str
    prompt: str
    target: Scene
    reference: Picture | None = None


def generation_cases(count: int, seed: int = 0) -> list[Case]:
    """Prompts of held-out scenes, with and without a position."""
    random = np.random.default_rng(seed)
    scenes = held_out_scenes()
    centred = tuple(scene for scene in scenes if scene.position == "center")
    cases = []
    for _ in range(count):
        pool = centred if random.random() < CENTRED_SHARE else scenes
        scene = pool[int(random.integers(len(pool)))]
        cases.append(Case("generate", write_prompt(scene, random), scene))
    return cases


def edit_cases(count: int, seed: int = 1) -> list[Case]:
    """Edits in turn of colour, position and background that lead from a training scene to a held-out one."""
    random = np.random.default_rng(seed)
    scenes = held_out_scenes()
    kinds = tuple(INSTRUCTIONS)
    return [
        _edit_case(scenes[int(random.integers(len(scenes)))], kinds[i % len(kinds)], random) for i in range(count)
    ]


def _edit_case(target: Scene, attribute: str, random: np.random.Generator) -> Case:
    sources = [scene for scene in training_scenes() if target.differences(scene) == (attribute,)]
    source = sources[int(random.integers(len(sources)))]
    reference = render(source, draw_jitter(random))
    return Case(f"edit {attribute}", write_instruction(target, attribute, random), target, reference)
