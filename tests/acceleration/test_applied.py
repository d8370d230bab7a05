"""Each option changes what diffusers' own call of it changes; what cannot be served is refused at start-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate.hooks import UserCpuOffloadHook
from diffusers.models import attention_dispatch

from benchmarks.zoo import UNEQUAL_PROMPTS, case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.acceleration.models import block_pipeline
from tests.stepping.pipelines import seeded, tiny
from workers import Omni
from workers.acceleration.apply import accelerate
from workers.acceleration.offloading import EveryOther, offload
from workers.acceleration.parts import Parts
from workers.registry import ModelRow

Apply = Callable[[Any], object]


def channels_last(pipeline: Any) -> None:
    for module in (pipeline.unet, pipeline.vae):
        module.to(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("name", "options", "plainly"),
    [
        (
            "flux",
            {"attention_backend": "_native_math"},
            lambda pipeline: pipeline.transformer.set_attention_backend("_native_math"),
        ),
        (
            "flux",
            {"layerwise_casting": "float8_e4m3fn"},
            lambda pipeline: pipeline.transformer.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32),
        ),
        ("sdxl", {"vae_slicing": True, "vae_tiling": True}, lambda pipeline: pipeline.vae.enable_tiling()),
        ("sdxl", {"channels_last": True}, channels_last),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_alone_it_is_the_plain_pipeline_so_accelerated(name: str, options: dict[str, Any], plainly: Apply) -> None:
    member = case(name)

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[0], steps=2)

    active = attention_dispatch._AttentionBackendRegistry.get_active_backend()[0]
    plain = member.build()
    plainly(plain)
    expected = [plain(**inputs(index)) for index in range(2)]
    attention_dispatch._AttentionBackendRegistry.set_active_backend(active)
    omni = Omni(pipeline=member.build(), acceleration=options)
    (alone,) = omni.map([inputs(0)])
    assert greatest_difference(expected[0], alone) == 0
    for mine, theirs in zip(omni.map([inputs(0), inputs(1)]), expected, strict=True):
        assert greatest_difference(mine, theirs) <= 1e-4
    assert omni.stats.forwards < omni.stats.calls
    assert attention_dispatch._AttentionBackendRegistry.get_active_backend()[0] is active


def greatest_difference(mine: object, theirs: object) -> float:
    pairs = zip(flatten_output(mine), flatten_output(theirs), strict=True)
    return max((torch.as_tensor(a) - torch.as_tensor(b)).abs().max().item() for a, b in pairs)


@pytest.mark.parametrize("kind", ["model", "group"])
def test_offloaded_models_are_stepped_like_others(kind: str) -> None:
    """On the CPU nothing moves, but the hooks of diffusers and accelerate are all there."""
    member = case("sdxl")

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[index], steps=2)

    plain = member.build()
    expected = [plain(**inputs(index)) for index in range(2)]
    pipeline = member.build()
    stream = {"use_stream": False} if kind == "group" else {}
    offload(Parts(pipeline), {"type": kind, **stream}, torch.device("cpu"))
    for mine, theirs in zip(Omni(pipeline=pipeline).map([inputs(0), inputs(1)]), expected, strict=True):
        assert greatest_difference(mine, theirs) <= 1e-4
    (alone,) = Omni(pipeline=pipeline).map([inputs(0)])
    assert greatest_difference(alone, expected[0]) == 0


def test_sequential_offload_is_diffusers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate cannot take the CPU for a device here, so only the call is looked at."""
    pipeline, asked = block_pipeline(), []
    monkeypatch.setattr(pipeline, "enable_sequential_cpu_offload", lambda device: asked.append(device))
    offload(Parts(pipeline), {"type": "sequential"}, torch.device("cuda"))
    assert asked == [torch.device("cuda")]


class Placed(torch.nn.Linear):
    """A model that says where its weights are."""

    def __init__(self, where: str) -> None:
        super().__init__(1, 1, device=where)


class CountingHook(UserCpuOffloadHook):
    def __init__(self, where: str) -> None:
        self.model, self.hook, self.offloaded = Placed(where), None, 0

    def offload(self) -> None:
        self.offloaded += 1


def test_one_model_at_a_time_stays_on_the_device() -> None:
    hooks = [CountingHook(where) for where in ("meta", "cpu", "meta", "meta")]
    other = EveryOther(hooks[0], hooks)
    assert other.model is hooks[2].model  # what accelerate looks at to see whether there is anything to offload
    other.offload()
    assert [hook.offloaded for hook in hooks] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attention_backend": "flash"}, "install `flash-attn"),
        ({"attention_backend": "_native_cudnn"}, "No viable backend"),
        ({"attention_backend": "natve"}, "must be one of"),
        ({"layerwise_casting": "float9"}, "no such dtype"),
        ({"vae_tiling": True}, "has no VAE"),
        ({"channels_last": True}, "two-dimensional convolutions"),
        ({"compile": {"mode": "reduce-overhead"}}, "memory of outputs that other requests hold"),
        ({"cuda_graphs": True}, "graphs need a CUDA device, and this is cpu"),
        ({"offload": "model"}, "there is no GPU"),
        ({"quantization": "torchao"}, "was not loaded here"),
    ],
)
def test_what_cannot_be_served_is_refused_at_start_up(options: dict[str, Any], words: str) -> None:
    pipeline = case("flux").build() if "attention_backend" in options else block_pipeline()
    with pytest.raises(Misconfigured, match=f"acceleration.{next(iter(options))}.*cannot be served.*{words}"):
        Omni(pipeline=pipeline, acceleration=options)


@pytest.mark.parametrize("options", [{"attention_backend": "native"}, {"compile": True}])
def test_a_model_without_the_parts_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"of Denoiser takes no back end|Denoiser names no repeated blocks"):
        Omni(pipeline=tiny(), acceleration=options)


def test_a_refused_back_end_leaves_the_pipeline_as_it_was() -> None:
    pipeline = case("flux").build()
    with pytest.raises(Misconfigured):
        accelerate(pipeline, {"attention_backend": "_native_cudnn"})
    processors = [part.processor for part in pipeline.transformer.modules() if hasattr(part, "processor")]
    assert {processor._attention_backend for processor in processors} == {None}


def test_a_pipeline_is_accelerated_once() -> None:
    pipeline = block_pipeline()
    options = {"layerwise_casting": "float8_e4m3fn"}
    expected = Omni(pipeline=pipeline, acceleration=options).map([{"generator": seeded(1)}])
    again = Omni(pipeline=pipeline, acceleration=options).map([{"generator": seeded(1)}])
    assert torch.equal(expected[0], again[0])
    with pytest.raises(Misconfigured, match="accelerated otherwise before"):
        Omni(pipeline=pipeline, acceleration={"compile": True})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"atention_backend": "native"}, "Did you mean `attention_backend`"),
        ({"compile": "yes"}, "give true or a table"),
        ({"compile": {"mod": "x"}}, "Did you mean `mode`"),
        ({"vae_tiling": "on"}, "give true, not 'on'"),
        ({"warmup": []}, "list of tables"),
        ({"warmup_batches": [0]}, "list of batch sizes"),
        ({"quantization": 8}, "name of a back end or a table"),
        ({"cuda_graphs": True, "offload": "model"}, "exclude each other"),
    ],
)
def test_a_row_is_checked_before_anything_is_loaded(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        ModelRow("mine", "a/b", acceleration=options)


def test_what_asks_for_nothing_is_nothing() -> None:
    row = ModelRow("mine", "a/b", acceleration={"compile": False, "offload": None, "vae_tiling": False})
    pipeline = block_pipeline()
    accelerate(pipeline, row.engine_config().acceleration)
    assert "_omni_acceleration" not in vars(pipeline) or not vars(pipeline)["_omni_acceleration"]
