"""Public cards from the signatures of real pipeline classes: every one of the zoo's, and some in detail."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from benchmarks.zoo import cases
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import JobRequest, ModelCard, parse_job
from workers.cards import derive_card, tuple_parameters
from workers.registry import ModelRow

diffusers = pytest.importorskip("diffusers")


def card(name: str, **facts: object) -> ModelCard:
    return derive_card(ModelRow("m", "somewhere", **facts), getattr(diffusers, name))  # type: ignore[arg-type]


def test_every_pipeline_of_the_zoo_gets_a_card_whose_defaults_fit_its_schema() -> None:
    names = sorted({one.pipeline_class for one in cases() if hasattr(diffusers, one.pipeline_class)})
    assert len(names) > 30
    for name in names:
        found = card(name)
        Draft202012Validator.check_schema(found.parameters_schema)
        ModelCard.model_validate_json(found.model_dump_json())
        assert found.tasks, name
        for parameter, value in found.model_dump(mode="json")["defaults"].items():
            schema = found.parameters_schema["properties"][parameter]
            assert Draft202012Validator(schema).is_valid(value), (name, parameter, value, schema)


@pytest.mark.parametrize(
    ("name", "tasks", "media", "images", "mask"),
    [
        ("FluxPipeline", ("generate",), "image", 0, False),
        ("FluxKontextPipeline", ("generate", "edit"), "image", 8, False),
        ("QwenImageEditPipeline", ("edit",), "image", 8, False),
        ("StableDiffusionXLImg2ImgPipeline", ("edit",), "image", 8, False),
        ("StableDiffusionXLInpaintPipeline", ("edit",), "image", 8, True),
        ("WanPipeline", ("generate",), "video", 0, False),
        ("WanImageToVideoPipeline", ("edit",), "video", 8, False),
    ],
)
def test_tasks_and_inputs(name: str, tasks: tuple[str, ...], media: str, images: int, mask: bool) -> None:
    found = card(name)
    assert (found.tasks, found.media, found.max_input_images, found.accepts_mask) == (tasks, media, images, mask)


def test_a_row_adds_limits_and_defaults() -> None:
    found = card("FluxPipeline", limits={"num_inference_steps": 8}, defaults={"num_inference_steps": 4})
    assert found.defaults["num_inference_steps"] == 4
    with pytest.raises(InvalidRequest, match="maximum of 8"):
        found.validate_job(JobRequest(model="m", prompt="p", parameters={"num_inference_steps": 9}))


def test_tensors_and_callbacks_are_not_offered() -> None:
    offered = card("StableDiffusionXLPipeline").parameters_schema["properties"]
    assert {"guidance_scale", "crops_coords_top_left", "denoising_end"} <= offered.keys()
    assert not {"latents", "prompt_embeds", "callback_on_step_end", "generator", "output_type"} & offered.keys()


def test_lists_become_tuples_where_the_pipeline_wants_them() -> None:
    names = tuple_parameters(diffusers.StableDiffusionXLPipeline)
    assert {"crops_coords_top_left", "original_size"} <= names


def test_sides_must_be_multiples_of_what_a_latent_stands_for() -> None:
    made = derive_card(ModelRow("m", "somewhere"), diffusers.StableDiffusionXLPipeline, side_multiple=8)
    with pytest.raises(InvalidRequest, match=r"parameters\.width.*multiple of 8"):
        made.validate_job(parse_job({"model": "m", "prompt": "a cat", "parameters": {"width": 63, "height": 64}}))
