"""What the demo asks for is what the model understands, and what the judge is told to see."""

from __future__ import annotations

from omni_jobs.demo.orders import edits, generations
from workers.shapes.captions import default_background, vocabulary
from workers.shapes.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, Scene


def test_every_prompt_says_what_must_be_seen_in_words_that_the_model_knows() -> None:
    for order in generations():
        scene = Scene(**order.scene)
        assert scene.shape in SHAPES
        assert scene.colour in COLOURS
        assert scene.background in BACKGROUNDS
        assert scene.position in POSITIONS
        words = order.prompt.replace(",", "").split()
        assert set(words) <= set(vocabulary())
        named = {scene.shape, scene.colour}
        named |= set() if scene.position == "center" else set(scene.position.split())
        named |= set() if scene.background == default_background(scene.colour) else {scene.background}
        assert named <= set(words)


def test_every_edit_changes_what_it_says_and_nothing_else() -> None:
    drawn = generations()
    for order in edits():
        assert order.source is not None
        before, after = Scene(**drawn[order.source].scene), Scene(**order.scene)
        (attribute,) = before.differences(after)
        assert getattr(after, attribute) in order.prompt


def test_jobs_differ_in_prompt_seed_and_steps() -> None:
    orders = [*generations(), *edits()]
    assert len(generations()) >= 16
    assert len({order.prompt for order in orders}) == len({order.seed for order in orders}) == len(orders)
    assert len({order.steps for order in orders}) > 2
    assert [order.number for order in orders] == list(range(len(orders)))
    assert len({order.file_name for order in orders}) == len(orders)
