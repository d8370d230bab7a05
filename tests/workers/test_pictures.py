"""Which pictures a pipeline takes: what its card says, what a job may give, and what its call gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image

from benchmarks.zoo import case, cases
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import ModelCard, parse_job
from workers.arguments import arguments_for
from workers.cards import derive_card
from workers.engine import OmniDiffusionRequest
from workers.pictures import picture_inputs
from workers.registry import ModelRow

diffusers = pytest.importorskip("diffusers")


def card(name: str) -> ModelCard:
    made = derive_card(ModelRow("m", "somewhere"), getattr(diffusers, name))
    return ModelCard.model_validate_json(made.model_dump_json())


#: By class: tasks, `images`, `mask`, and the further inputs with `*` where one must come.
TAKEN: dict[str, tuple[str, int, bool, set[str]]] = {
    "FluxPipeline": ("generate", 0, False, set()),
    "FluxControlPipeline": ("generate", 0, False, {"control_image*"}),
    "FluxControlInpaintPipeline": ("edit", 8, True, {"control_image*"}),
    "FluxKontextInpaintPipeline": ("edit", 8, True, {"image_reference"}),
    "StableDiffusionControlNetPipeline": ("generate", 0, False, {"control_image*"}),
    "StableDiffusionXLAdapterPipeline": ("generate", 0, False, {"control_image*"}),
    "StableDiffusionXLControlNetInpaintPipeline": ("edit", 8, True, {"control_image*"}),
    "StableDiffusion3ControlNetInpaintingPipeline": ("generate", 0, False, {"control_image*", "control_mask*"}),
    "StableDiffusionXLInpaintPipeline": ("edit", 8, True, set()),
    "WanImageToVideoPipeline": ("edit", 8, False, {"last_image"}),
    "WanVACEPipeline": ("generate", 0, False, {"video", "mask", "reference_images"}),
    "OmniGenPipeline": ("generate edit", 8, False, set()),
}


@pytest.mark.parametrize("name", list(TAKEN))
def test_a_card_says_which_pictures_its_pipeline_takes(name: str) -> None:
    found = card(name)
    inputs = {f"{one}*" if rule.required else one for one, rule in found.inputs.items()}
    assert (" ".join(found.tasks), found.max_input_images, found.accepts_mask, inputs) == TAKEN[name]


def test_the_pictures_of_every_pipeline_of_the_zoo_have_a_name() -> None:
    """What a member of the zoo is called with can be said by a job; one old pipeline takes only arrays."""
    for member in cases():
        kind = getattr(diffusers, member.pipeline_class, None)
        if kind is None or member.name == "video-to-video":
            continue
        given = {name for name, value in member.call.items() if re.search(r"(Picture|Mask|Frames)\(", repr(value))}
        assert given <= {one.argument for one in picture_inputs(kind.__call__).values()}, member.name


def job(**fields: Any) -> Any:
    return parse_job({"model": "m", "prompt": "a fox", **fields})


def test_the_door_refuses_what_the_model_does_not_take() -> None:
    control = card("StableDiffusionControlNetPipeline")
    control.validate_job(job(inputs={"control_image": ["upl_1"]}))
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, r"inputs\.control_image` is missing"),
        ({"inputs": {"control_imag": ["upl_1"]}}, r"control_imag`.*Did you mean `control_image`"),
        ({"inputs": {"control_image": ["upl_1"] * 9}}, r"9 given.*at most 8"),
        ({"inputs": {"control_image": ["upl_1"]}, "mask": "upl_2"}, "mask"),
        ({"inputs": {"control_image": ["upl_1"]}, "task": "edit", "images": ["upl_2"]}, "does not edit"),
    )
    for fields, said in refused:
        with pytest.raises(InvalidRequest, match=said):
            control.validate_job(job(**fields))
    with pytest.raises(InvalidRequest, match="It takes none"):
        card("FluxPipeline").validate_job(job(inputs={"control_image": ["upl_1"]}))
    malformed: tuple[Any, ...] = ([], "upl_1", [7], ["upl_1"] * 257)
    for given in malformed:
        with pytest.raises(InvalidRequest, match="control_image"):
            job(inputs={"control_image": given})


def test_every_picture_of_a_job_has_a_place() -> None:
    given = job(task="edit", images=["a", "b"], mask="c", inputs={"control_image": ["d", "e"]})
    assert given.pictures == {
        "images.0": "a",
        "images.1": "b",
        "inputs.control_image.0": "d",
        "inputs.control_image.1": "e",
        "mask": "c",
    }


def arguments(name: str, **fields: Any) -> dict[str, Any]:
    return arguments_for(case(name).build())(OmniDiffusionRequest(prompt="a fox", **fields))


def test_pictures_reach_the_call_under_its_own_names() -> None:
    one, two = Image.new("RGB", (8, 8)), Image.new("L", (8, 8))
    assert arguments("sd-controlnet", inputs={"control_image": (one,)})["image"] is one
    assert arguments("sd-controlnet-two", inputs={"control_image": (one, one)})["image"] == [one, one]
    given = arguments("sd-controlnet-inpaint", images=(one,), mask=two, inputs={"control_image": (two,)})
    assert (given["image"], given["mask_image"], given["control_image"]) == (one, two, two)
    with pytest.raises(InvalidRequest, match="control_imag"):
        arguments("sd-controlnet", inputs={"control_imag": (one,)})


def test_an_image_prompt_is_offered_where_there_is_an_adapter_for_it() -> None:
    kind = diffusers.StableDiffusionXLPipeline
    assert "ip_adapter_image" not in picture_inputs(kind.__call__)
    assert "ip_adapter_image" in picture_inputs(kind.__call__, has_ip_adapter=True)
