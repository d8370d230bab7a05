"""The world of the demo model: its pictures can be read back, and its prompts say what they show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.shapes.captions import (
    BARE_PROMPTS,
    CENTRED_PROMPTS,
    INSTRUCTIONS,
    default_background,
    prompt_templates,
    vocabulary,
    write_instruction,
    write_prompt,
)
from workers.shapes.cases import edit_cases, generation_cases
from workers.shapes.judge import judge
from workers.shapes.scene import (
    BACKGROUNDS,
    COLOURS,
    JITTER_PIXELS,
    POSITIONS,
    RADIUS_PIXELS,
    SHAPES,
    Jitter,
    Scene,
    all_scenes,
    draw_mask,
    held_out_scenes,
    is_held_out,
    paint,
    render,
    training_scenes,
)

offsets = st.floats(-JITTER_PIXELS, JITTER_PIXELS)
jitters = st.builds(Jitter, offsets, offsets, st.floats(*RADIUS_PIXELS))
scenes = st.sampled_from(all_scenes())


def test_the_world_is_as_large_as_promised() -> None:
    assert len(SHAPES) >= 8
    assert len(COLOURS) >= 8
    assert len(POSITIONS) >= 9
    assert len(BACKGROUNDS) >= 8


@given(scene=scenes, jitter=jitters)
@settings(max_examples=60, deadline=None)
def test_the_judge_reads_every_exact_picture(scene: Scene, jitter: Jitter) -> None:
    assert all(judge(render(scene, jitter)).agrees(scene).values())


@given(scene=scenes, jitter=jitters, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_judge_forgives_slight_noise(scene: Scene, jitter: Jitter, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 6, (64, 64, 3))
    noisy = np.clip(render(scene, jitter) + noise, 0, 255).astype(np.uint8)
    assert all(judge(noisy).agrees(scene).values())


@given(scene=scenes, other=scenes, jitter=jitters)
@settings(max_examples=60, deadline=None)
def test_the_judge_says_what_is_wrong(scene: Scene, other: Scene, jitter: Jitter) -> None:
    marks = judge(render(other, jitter)).agrees(scene)
    assert {name for name, right in marks.items() if not right} == set(scene.differences(other))


@pytest.mark.parametrize("value", [0, 128, 250])
def test_the_judge_sees_no_shape_in_an_empty_picture(value: int) -> None:
    assert judge(np.full((64, 64, 3), value, dtype=np.uint8)).shape is None


def test_the_judge_sees_no_shape_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert judge(noise).shape is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_one_pixel_too_thick_is_still_that_shape(shape: str) -> None:
    mask = draw_mask(shape, 32, 32, 13.5) > 0.5
    for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
        mask = mask | np.roll(draw_mask(shape, 32, 32, 13.5) > 0.5, shift, axis)
    assert judge(paint(mask.astype(np.float32), "red", "white")).shape == shape


@pytest.mark.parametrize("pair", [("left", "right"), ("top", "bottom"), ("top left", "bottom right")])
@pytest.mark.parametrize("shape", SHAPES)
def test_two_of_a_shape_are_not_one(shape: str, pair: tuple[str, str]) -> None:
    first, second = (render(Scene(shape, "red", position, "white"), Jitter(0, 0, 13)) for position in pair)
    assert judge(np.minimum(first, second)).shape is None


def test_held_out_scenes_are_a_tenth_and_never_trained() -> None:
    assert not set(held_out_scenes()) & set(training_scenes())
    assert 0.08 < len(held_out_scenes()) / len(all_scenes()) < 0.12
    for attribute, names in (("shape", SHAPES), ("colour", COLOURS), ("position", POSITIONS)):
        assert {getattr(scene, attribute) for scene in held_out_scenes()} == set(names)


@given(scene=scenes, seed=st.integers(0, 999))
def test_prompts_name_or_imply_every_attribute(scene: Scene, seed: int) -> None:
    words = write_prompt(scene, np.random.default_rng(seed)).replace(",", "").split()
    assert scene.shape in words
    assert scene.colour in words
    assert set(words) <= set(vocabulary())
    if scene.background not in words:
        assert scene.background == default_background(scene.colour)


@given(scene=scenes)
def test_a_position_is_left_out_only_in_the_centre(scene: Scene) -> None:
    unplaced = set(CENTRED_PROMPTS + BARE_PROMPTS) & set(prompt_templates(scene))
    assert bool(unplaced) == (scene.position == "center")


@given(scene=scenes, attribute=st.sampled_from(tuple(INSTRUCTIONS)), seed=st.integers(0, 999))
def test_instructions_use_known_words(scene: Scene, attribute: str, seed: int) -> None:
    assert set(write_instruction(scene, attribute, np.random.default_rng(seed)).split()) <= set(vocabulary())


def test_the_evaluation_asks_only_for_held_out_scenes() -> None:
    cases = generation_cases(200) + edit_cases(100)
    assert all(is_held_out(case.target) for case in cases)
    assert {case.kind for case in cases} == {"generate", *(f"edit {attribute}" for attribute in INSTRUCTIONS)}


def test_the_evaluation_edits_one_attribute_of_a_picture_that_needs_it() -> None:
    for case in edit_cases(60):
        assert case.reference is not None
        wrong = [name for name, right in judge(case.reference).agrees(case.target).items() if not right]
        assert wrong == [case.kind.removeprefix("edit ")]


def test_the_evaluation_is_the_same_every_time() -> None:
    first, second = generation_cases(50), generation_cases(50)
    assert [case.prompt for case in first] == [case.prompt for case in second]
