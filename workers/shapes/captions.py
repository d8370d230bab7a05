"""The words of the demo model: prompts that describe a scene and instructions that change one.

Training draws a template at random; the evaluation uses the same templates on scenes that training never saw.
The vocabulary is closed, one token a word, and an unknown word is read as such instead of being an error.
"""

from __future__ import annotations

import numpy as np

from workers.shapes.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, Scene

PLACED_PROMPTS = (
    "{a} {colour} {shape} at the {position} on {background}",
    "{a} {colour} {shape} at the {position} on {b} {background} background",
    "{a} {colour} {shape} in the {position} on {background}",
    "{a} {colour} {shape} in the {position} of {b} {background} background",
    "{a} {colour} {shape} in the {position} of {b} {background} picture",
    "{colour} {shape}, {position}, {background} background",
    "draw {a} {colour} {shape} at the {position} on {background}",
)
# Without a position the shape stands in the centre; without a background it stands on white (white on black).
CENTRED_PROMPTS = (
    "{a} {colour} {shape} on {background}",
    "{a} {colour} {shape} on {b} {background} background",
    "{a} {colour} {shape} with {b} {background} background",
    "{colour} {shape}, {background} background",
    "{colour} {shape} on {background}",
    "draw {a} {colour} {shape} on {background}",
)
BARE_PROMPTS = ("{a} {colour} {shape}", "draw {a} {colour} {shape}")

INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "colour": (
        "make the {shape} {colour}",
        "make it {colour}",
        "paint the {shape} {colour}",
        "turn the {shape} {colour}",
        "change the color of the {shape} to {colour}",
        "change the colour of the {shape} to {colour}",
    ),
    "position": (
        "move the {shape} to the {position}",
        "put the {shape} in the {position}",
        "put the {shape} at the {position}",
        "shift the {shape} to the {position}",
    ),
    "background": (
        "{background} background",
        "make the background {background}",
        "put it on {b} {background} background",
        "put the {shape} on {background}",
        "change the background to {background}",
    ),
}
SPELLINGS = {"center": ("center", "centre", "middle")}


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _pick(options: tuple[str, ...], random: np.random.Generator) -> str:
    return options[int(random.integers(len(options)))]


def _fill(template: str, scene: Scene, random: np.random.Generator) -> str:
    return template.format(
        shape=scene.shape,
        colour=scene.colour,
        position=_pick(SPELLINGS.get(scene.position, (scene.position,)), random),
        background=scene.background,
        a=_article(scene.colour),
        b=_article(scene.background),
    )


def default_background(colour: str) -> str:
    """The background of a prompt that names none."""
    return "black" if colour == "white" else "white"


def prompt_templates(scene: Scene) -> tuple[str, ...]:
    """The templates that describe this scene completely, by naming an attribute or by its default."""
    if scene.position != "center":
        return PLACED_PROMPTS
    if scene.background != default_background(scene.colour):
        return PLACED_PROMPTS + CENTRED_PROMPTS
    return PLACED_PROMPTS + CENTRED_PROMPTS + BARE_PROMPTS


def write_prompt(scene: Scene, random: np.random.Generator) -> str:
    """A prompt that describes the scene."""
    return _fill(_pick(prompt_templates(scene), random), scene, random)


def write_instruction(target: Scene, attribute: str, random: np.random.Generator) -> str:
    """An instruction that changes one attribute so that the target scene results."""
    return _fill(_pick(INSTRUCTIONS[attribute], random), target, random)


def vocabulary() -> tuple[str, ...]:
    """Every word that a prompt or an instruction can hold, lower case, sorted."""
    templates = PLACED_PROMPTS + CENTRED_PROMPTS + BARE_PROMPTS + sum(INSTRUCTIONS.values(), ())
    fixed = {word for template in templates for word in template.split() if "{" not in word}
    names = {word for name in (*SHAPES, *COLOURS, *BACKGROUNDS, *POSITIONS) for word in name.split()}
    spellings = {word for options in SPELLINGS.values() for word in options}
    return tuple(sorted(fixed | names | spellings | {"a", "an"}))
