"""Pipelines that their owner changes, wraps or extends around `Omni`: outputs stay those of plain calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.guiders import SkipLayerGuidance
from diffusers.hooks import LayerSkipConfig
from diffusers.models.attention_processor import AttnProcessor
from peft import LoraConfig

from benchmarks.zoo import case
from workers import Omni

pytestmark = pytest.mark.filterwarnings("ignore")  # the pipelines run as they are

SD = case("sd")


def loaded() -> Any:
    pipeline = SD.build()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def calls(count: int = 3, **given: Any) -> list[dict[str, Any]]:
    made = (SD.inputs(seed=index, prompt="a fox", steps=2) for index in range(count))
    return [{**call, "output_type": "latent", **given} for call in made]


def assert_as_plainly(pipeline: Any, omni: Omni, **given: Any) -> None:
    plain = [pipeline(**call).images for call in calls(**given)]
    for mine, theirs in zip(omni.map(calls(**given)), plain, strict=True):
        torch.testing.assert_close(mine.images, theirs, rtol=0, atol=1e-4)


class HalfAttention(AttnProcessor):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs) * 0.5


def test_processors_set_between_maps_count_and_stay() -> None:
    pipeline = loaded()
    omni = Omni(pipeline=pipeline)
    assert_as_plainly(pipeline, omni)
    pipeline.unet.set_attn_processor(HalfAttention())
    assert_as_plainly(pipeline, omni)
    kinds = {type(processor) for processor in pipeline.unet.attn_processors.values()}
    assert kinds == {HalfAttention}


def write_data(encoder: Any) -> None:
    for part in encoder.parameters():
        part.data.mul_(0.5)


def hook(encoder: Any) -> None:
    encoder.register_forward_hook(lambda _module, _args, output: (output[0] * 0.5, *output[1:]))


@pytest.mark.parametrize("change", [write_data, hook])
def test_an_encoder_that_changed_between_maps_encodes_anew(change: Callable[[Any], None]) -> None:
    pipeline = loaded()
    omni = Omni(pipeline=pipeline)
    assert_as_plainly(pipeline, omni)
    change(pipeline.text_encoder)
    assert_as_plainly(pipeline, omni)


def test_a_checkpoint_holds_what_the_encoder_says_now() -> None:
    pipeline = loaded()
    omni = Omni(pipeline=pipeline)
    omni.map(calls(1))
    write_data(pipeline.text_encoder)
    (call,) = calls(1)
    plain = pipeline(**call).images
    saved = omni.checkpoint(calls(1)[0], after_calls=1)
    resumed = omni.resume(calls(1)[0], saved)
    assert resumed.refused is None
    torch.testing.assert_close(resumed.output.images, plain, rtol=0, atol=1e-4)


def test_bad_calls_together_do_not_end_sharing() -> None:
    omni = Omni(pipeline=loaded())
    omni.map(calls(4))
    size = calls(1)[0]["height"] // 2
    bad = calls(2, latents=torch.zeros(1, 5, size, size))
    for _ in range(2):
        assert all(isinstance(end, RuntimeError) for end in omni.map(bad, return_exceptions=True))
        before = omni.stats.forwards
        omni.map(calls(4))
        assert omni.stats.forwards - before == 2


def test_a_module_in_torch_compiles_wrapper_shares() -> None:
    pipeline = loaded()
    pipeline.unet = torch.compile(pipeline.unet, backend="eager")
    omni = Omni(pipeline=pipeline)
    assert_as_plainly(pipeline, omni)
    assert (omni.stats.calls, omni.stats.forwards) == (6, 2)


def test_adapters_that_a_pipeline_scales_while_it_encodes() -> None:
    pipeline = loaded()
    layers = ["q_proj", "k_proj", "v_proj", "out_proj"]
    pipeline.text_encoder.add_adapter(LoraConfig(r=4, target_modules=layers, init_lora_weights=False), "own")
    assert_as_plainly(pipeline, Omni(pipeline=pipeline), cross_attention_kwargs={"scale": 0.5})


def test_a_guider_that_hooks_the_model_at_each_step() -> None:
    member = case("hunyuan-image")
    pipeline = member.build()
    pipeline.set_progress_bar_config(disable=True)
    skipped = LayerSkipConfig(indices=[0], fqn="transformer_blocks", skip_attention=False, skip_ff=True)
    pipeline.guider = SkipLayerGuidance(skip_layer_guidance_start=0.0, skip_layer_config=skipped)

    def asked() -> list[dict[str, Any]]:
        return [member.inputs(seed=index, prompt="a fox", steps=2) for index in range(2)]

    plain = [pipeline(**call).images for call in asked()]
    for mine, theirs in zip(Omni(pipeline=pipeline).map(asked()), plain, strict=True):
        torch.testing.assert_close(torch.as_tensor(mine.images), torch.as_tensor(theirs), rtol=0, atol=1e-4)
