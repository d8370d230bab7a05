"""Pictures from custom inputs are those that diffusers' own pipelines draw; inputs that do not fit are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import QwenImageImg2ImgPipeline
from PIL import Image

from benchmarks.zoo import case
from omni_jobs.errors import InvalidRequest
from workers.vllm.custom_inputs import QwenImageCustomInputs, validate_custom_inputs
from workers.vllm.processor import Sampling, build_custom_inputs_edit, build_custom_inputs_text_only
from workers.vllm.runner_adapter import QwenImageRunnerAdapter

PROMPT, NEGATIVE = "a red panda sitting on a tree branch", "blurry"
SAMPLING = Sampling(height=32, width=48, num_inference_steps=3, true_cfg_scale=3.0, seed=7, max_sequence_length=48)
PLAIN: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "height": 32,
    "width": 48,
    "num_inference_steps": 3,
    "true_cfg_scale": 3.0,
    "max_sequence_length": 48,
    "output_type": "pt",
}


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return case("qwen-image").build()


@pytest.fixture(scope="module")
def adapter(pipeline: Any) -> QwenImageRunnerAdapter:
    return QwenImageRunnerAdapter(pipeline)


@pytest.fixture(scope="module")
def inputs(pipeline: Any) -> QwenImageCustomInputs:
    return build_custom_inputs_text_only(pipeline, PROMPT, NEGATIVE, sampling=SAMPLING)


def seven() -> torch.Generator:
    return torch.Generator("cpu").manual_seed(7)


def picture() -> Image.Image:
    ramp = torch.arange(64 * 96 * 3).reshape(64, 96, 3) % 256
    return Image.fromarray(ramp.to(torch.uint8).numpy())


def test_text_gives_the_pipelines_picture(pipeline: Any, adapter: Any, inputs: Any) -> None:
    assert torch.equal(adapter.generate(inputs), pipeline(**PLAIN, generator=seven()).images)


def test_latents_instead_of_pixels(pipeline: Any, adapter: Any, inputs: Any) -> None:
    latents = adapter.generate(inputs, decode_pixels=False)
    packed = pipeline(**PLAIN | {"output_type": "latent"}, generator=seven()).images
    assert latents.shape == inputs.image_latents.shape
    assert torch.equal(latents, pipeline._unpack_latents(packed, 32, 48, pipeline.vae_scale_factor))


def test_prompts_of_different_lengths_share_one_batch(pipeline: Any, adapter: Any) -> None:
    prompts = [PROMPT, "a cup"]
    together = build_custom_inputs_text_only(pipeline, prompts, [NEGATIVE, NEGATIVE], sampling=SAMPLING)
    plain = pipeline(**PLAIN | {"prompt": prompts, "negative_prompt": [NEGATIVE] * 2}, generator=seven()).images
    assert together.txt_seq_lens is not None
    assert together.txt_seq_lens[0] > together.txt_seq_lens[1]
    assert torch.equal(adapter.generate(together), plain)


def test_a_picture_is_drawn_over(pipeline: Any, adapter: Any) -> None:
    sampling = replace(SAMPLING, strength=0.6, num_inference_steps=5)
    inputs = build_custom_inputs_text_only(pipeline, PROMPT, NEGATIVE, picture(), sampling)
    over = QwenImageImg2ImgPipeline(**pipeline.components)
    plain = over(**PLAIN | {"num_inference_steps": 5}, image=picture(), strength=0.6, generator=seven()).images
    assert torch.equal(adapter.generate(inputs), plain)


def test_an_edit_is_the_edit_pipelines() -> None:
    editing = case("qwen-image-edit").build()
    inputs = build_custom_inputs_edit(editing, picture(), PROMPT, NEGATIVE, SAMPLING)
    plain = editing(**PLAIN, image=picture(), generator=seven()).images
    assert torch.equal(QwenImageRunnerAdapter(editing).generate(inputs), plain)


def test_a_seed_and_a_size_stand_for_latents(adapter: Any, inputs: Any) -> None:
    assert torch.equal(adapter.generate(replace(inputs, image_latents=None)), adapter.generate(inputs))
    flat = replace(inputs, image_latents=inputs.image_latents[:, :, 0])
    assert torch.equal(adapter.generate(flat), adapter.generate(inputs))


def test_inputs_travel_as_bytes(adapter: Any, inputs: Any) -> None:
    travelled = QwenImageCustomInputs.from_bytes(inputs.to_bytes())
    assert torch.equal(adapter.generate(travelled), adapter.generate(inputs))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        QwenImageCustomInputs.from_bytes(b"something else altogether")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"prompt_embeds": torch.ones(2, 3)}, r"`prompt_embeds`: expected \(B, T, D\), given \(2, 3\)"),
    ({"prompt_embeds_mask": torch.ones(1, 2)}, r"`prompt_embeds_mask`: expected \(1, \d+\), given \(1, 2\)"),
    (
        {"negative_prompt_embeds": torch.ones(2, 3, 4)},
        r"`negative_prompt_embeds`: expected \(1, T, D\)",
    ),
    ({"negative_prompt_embeds_mask": None}, r"`negative_prompt_embeds_mask`: expected .* given NoneType"),
    (
        {"image_latents": torch.ones(1, 16, 3, 4)},
        r"`image_latents`: .* even H and W, given \(1, 16, 3, 4\)",
    ),
    ({"image_latents": torch.ones(1, 16, 2, 4, 4)}, r"`image_latents`: .* given \(1, 16, 2, 4, 4\)"),
    ({"control_image_latents": torch.ones(3, 16, 4, 4)}, r"`control_image_latents`: .* given \(3, 16, 4, 4\)"),
    ({"image_latents": None, "seed": None}, "`image_latents`: are missing"),
    ({"img_shapes": [(1, 9, 9)]}, r"`img_shapes`: expected \[\(1, 4, 6\)\].* given \[\(1, 9, 9\)\]"),
    ({"txt_seq_lens": [1]}, r"`txt_seq_lens`: expected .* given \[1\]"),
    ({"num_inference_steps": 0}, "`num_inference_steps`: is 0"),
    ({"strength": 0.0}, "`strength`: is 0.0"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[" ".join(change) for change, _ in WRONG])
def test_what_does_not_fit_is_named(inputs: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        validate_custom_inputs(replace(inputs, **change))


def test_inputs_of_another_model_or_size_are_refused(adapter: Any, inputs: Any) -> None:
    with pytest.raises(InvalidRequest, match="`height`: expected 32 pixels"):
        adapter.generate(replace(inputs, height=64))
    with pytest.raises(InvalidRequest, match=r"expected \d+ channels for this model, given \(1, 5, 8, 12\)"):
        adapter.generate(replace(inputs, image_latents=torch.ones(1, 5, 8, 12), img_shapes=None))
