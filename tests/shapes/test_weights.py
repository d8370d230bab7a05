"""The shipped model: stock classes, plain calls, and pictures that show what the words say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, FluxPipeline
from PIL import Image

from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS
from workers.shapes.cases import Case, edit_cases
from workers.shapes.evaluate import QUICK_EDITS, QUICK_GENERATIONS, draw, evaluate, load_pipeline
from workers.shapes.judge import Verdict, judge
from workers.shapes.scene import Jitter, Scene, render

TWENTY_MEBIBYTES = 20 * 2**20


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return load_pipeline(WEIGHTS)


def seen(pictures: Sequence[Any]) -> list[Verdict]:
    return [judge(np.asarray(picture)) for picture in pictures]


def test_the_weights_are_small() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) <= TWENTY_MEBIBYTES


def test_only_stock_classes_are_named() -> None:
    index = json.loads((WEIGHTS / "model_index.json").read_text())
    assert index["_class_name"] == "FluxKontextPipeline"
    libraries = {value[0] for value in index.values() if isinstance(value, list) and value[0] is not None}
    assert libraries == {"diffusers", "transformers"}


def test_every_stored_number_is_float32() -> None:
    loaded = DiffusionPipeline.from_pretrained(WEIGHTS, local_files_only=True)
    for name in ("transformer", "vae", "text_encoder", "text_encoder_2"):
        assert {parameter.dtype for parameter in getattr(loaded, name).parameters()} == {torch.float32}


def test_the_sentence_of_the_readme(pipeline: Any) -> None:
    (verdict,) = seen(pipeline(prompt="a red circle on white", generator=_seed(3), **DEFAULT_PARAMETERS).images)
    assert all(verdict.agrees(Scene("circle", "red", "center", "white")).values())


def test_edits_in_a_chain(pipeline: Any) -> None:
    picture = pipeline(prompt="a red star on white", generator=_seed(0), **DEFAULT_PARAMETERS).images[0]
    for number, (words, scene) in enumerate(
        [
            ("make the star blue", Scene("star", "blue", "center", "white")),
            ("move the star to the top left", Scene("star", "blue", "top left", "white")),
            ("yellow background", Scene("star", "blue", "top left", "yellow")),
        ]
    ):
        picture = pipeline(prompt=words, image=picture, generator=_seed(number), **DEFAULT_PARAMETERS).images[0]
        assert all(judge(np.asarray(picture)).agrees(scene).values()), words


def test_the_default_prompt_length_draws_as_well(pipeline: Any) -> None:
    parameters = {**DEFAULT_PARAMETERS, "max_sequence_length": 512}
    pictures = pipeline(prompt=["a green heart on black"] * 4, generator=_seed(5), **parameters).images
    wanted = Scene("heart", "green", "center", "black")
    assert sum(all(verdict.agrees(wanted).values()) for verdict in seen(pictures)) >= 3


def test_the_plain_flux_pipeline_loads_the_folder() -> None:
    flux = FluxPipeline.from_pretrained(WEIGHTS, torch_dtype=torch.float32, local_files_only=True)
    flux.set_progress_bar_config(disable=True)
    pictures = flux(
        "a blue square on yellow", height=64, width=64, num_inference_steps=8, generator=_seed(1)
    ).images
    (verdict,) = seen(pictures)
    assert all(verdict.agrees(Scene("square", "blue", "center", "yellow")).values())


@pytest.mark.parametrize("steps", [6, 8, 12, 20])
def test_the_number_of_steps_is_free(pipeline: Any, steps: int) -> None:
    parameters = {**DEFAULT_PARAMETERS, "num_inference_steps": steps}
    prompts = ["a purple cross at the top right on white", "an orange ring at the bottom on black"]
    scenes = [Scene("cross", "purple", "top right", "white"), Scene("ring", "orange", "bottom", "black")]
    verdicts = seen(pipeline(prompt=prompts, generator=_seed(2), **parameters).images)
    for verdict, scene in zip(verdicts, scenes, strict=True):
        assert verdict.agrees(scene)["colour"]
        assert verdict.agrees(scene)["position"]


def test_seeds_differ_and_repeat(pipeline: Any) -> None:
    first, again, other = (
        np.asarray(pipeline(prompt="a pink ring on black", generator=_seed(seed), **DEFAULT_PARAMETERS).images[0])
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_wrong_picture_fails(pipeline: Any) -> None:
    scene = Scene("circle", "red", "center", "white")
    lie = Case("generate", "a red circle on white", scene.changed("colour", "blue"))
    (result,) = draw(pipeline, [lie], 0)
    assert result.marks == {"shape": True, "colour": False, "position": True, "background": True, "all": False}


def test_references_of_pil_and_tensors_edit_alike(pipeline: Any) -> None:
    case = edit_cases(1)[0]
    reference = (
        render(Scene("circle", "red", "left", "white"), Jitter(0, 0, 13))
        if case.reference is None
        else case.reference
    )
    tensor = torch.from_numpy(reference).permute(2, 0, 1)[None].float() / 255
    for image in (Image.fromarray(reference), tensor):
        (verdict,) = seen(
            pipeline(prompt=case.prompt, image=image, generator=_seed(0), **DEFAULT_PARAMETERS).images
        )
        assert verdict.background == case.target.background


def test_the_shipped_weights_are_as_good_as_the_evaluation_asks() -> None:
    results, report = evaluate(WEIGHTS, QUICK_GENERATIONS, QUICK_EDITS)
    assert len(results) == 40
    assert report["passed"], report["failures"]


def _seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)
