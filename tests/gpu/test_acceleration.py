"""What only a CUDA device can do: graphs, kernels, offload, compilation for it. `make test-gpu`, a few minutes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from benchmarks.zoo import UNEQUAL_PROMPTS, case, flatten_output
from tests.acceleration.models import BlockPipeline, block_pipeline
from workers import Omni
from workers.acceleration.graphs import graphed
from workers.acceleration.parts import Parts
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.stepping.cache_config import cache_policy
from workers.stepping.cached_calls import TensorEvidence, predicted

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SMALL = [{"height": 16, "width": 16}]


def on_gpu() -> BlockPipeline:
    return block_pipeline().to("cuda")


def calls(count: int) -> list[dict[str, Any]]:
    return [{"generator": torch.Generator("cuda").manual_seed(index)} for index in range(count)]


def greatest_difference(mine: object, theirs: object) -> float:
    pairs = zip(flatten_output(mine), flatten_output(theirs), strict=True)
    return max((torch.as_tensor(a).cpu() - torch.as_tensor(b).cpu()).abs().max().item() for a, b in pairs)


def test_graphs_give_what_forwards_give_and_none_is_recorded_under_traffic() -> None:
    pipeline = on_gpu()
    omni = Omni(pipeline=pipeline, caps="fixed(4)", acceleration={"cuda_graphs": True, "warmup": SMALL})
    (forward,) = graphed(Parts(pipeline))
    recorded, replays = len(forward), forward.replays
    together = omni.map(calls(6))
    for mine, call in zip(together, calls(6), strict=True):
        torch.testing.assert_close(mine, on_gpu()(**call), rtol=1e-4, atol=1e-3)
    assert len(forward) == recorded
    assert forward.replays - replays == omni.stats.forwards
    assert omni.stats.max_batch == 4


def test_a_real_model_is_graphed_or_refused_at_start_up() -> None:
    member = case("flux")
    plain = member.build().to("cuda")

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[index], steps=3)

    warm = [{"height": 32, "width": 48, "max_sequence_length": 48}]
    omni = Omni(
        pipeline=member.build().to("cuda"), caps="fixed(2)", acceleration={"cuda_graphs": True, "warmup": warm}
    )
    for index, mine in enumerate(omni.map([inputs(0), inputs(1)])):
        assert greatest_difference(plain(**inputs(index)), mine) <= 1e-3


def test_inductor_compiles_for_the_device_and_then_no_more() -> None:
    torch.compiler.reset()
    omni = Omni(pipeline=on_gpu(), caps="fixed(4)", acceleration={"compile": True, "warmup": SMALL})
    warm = counters["stats"]["unique_graphs"]
    for mine, call in zip(omni.map(calls(5)), calls(5), strict=True):
        torch.testing.assert_close(mine, on_gpu()(**call), rtol=1e-3, atol=1e-2)
    assert counters["stats"]["unique_graphs"] == warm


@pytest.mark.parametrize("backend", ["_native_efficient", "_native_flash", "_native_math"])
def test_attention_back_ends_of_torch(backend: str) -> None:
    member = case("flux")

    def inputs() -> dict[str, Any]:
        return member.inputs(seed=1, prompt=UNEQUAL_PROMPTS[0], steps=2)

    plain = member.build().to("cuda", torch.bfloat16)
    plain.transformer.set_attention_backend(backend)
    omni = Omni(pipeline=member.build().to("cuda", torch.bfloat16), acceleration={"attention_backend": backend})
    (mine,) = omni.map([inputs()])
    assert greatest_difference(plain(**inputs()), mine) == 0


@pytest.mark.parametrize("kind", ["model", "sequential", "group"])
def test_offloaded_models_agree_and_leave_one_model_on_the_device(kind: str) -> None:
    member = case("sdxl")
    plain = member.build().to("cuda")

    def inputs(index: int) -> dict[str, Any]:
        return member.inputs(seed=index, prompt=UNEQUAL_PROMPTS[index], steps=2)

    expected = [plain(**inputs(index)) for index in range(2)]
    pipeline = member.build()
    omni = Omni(pipeline=pipeline, acceleration={"offload": kind})
    for mine, theirs in zip(omni.map([inputs(0), inputs(1)]), expected, strict=True):
        assert greatest_difference(mine, theirs) <= 1e-3
    modules = [pipeline.text_encoder, pipeline.text_encoder_2, pipeline.unet, pipeline.vae]
    there = [module for module in modules if any(part.is_cuda for part in module.parameters())]
    assert kind != "model" or len(there) <= 1


def test_layerwise_casting_halves_the_weights() -> None:
    pipeline = case("flux").build().to("cuda", torch.bfloat16)
    before = sum(part.nbytes for part in pipeline.transformer.parameters())
    omni = Omni(pipeline=pipeline, acceleration={"layerwise_casting": "float8_e4m3fn"})
    omni.map([case("flux").inputs(seed=1, prompt="a cat", steps=2)])
    assert sum(part.nbytes for part in pipeline.transformer.parameters()) < 0.7 * before


@pytest.mark.parametrize(
    ("package", "options"),
    [
        ("torchao", {"backend": "torchao", "type": "Int8WeightOnlyConfig"}),
        ("bitsandbytes", {"backend": "bitsandbytes_8bit"}),
        ("bitsandbytes", {"backend": "bitsandbytes_4bit"}),
    ],
)
def test_quantized_weights_load_and_run(package: str, options: dict[str, Any], tmp_path: Any) -> None:
    pytest.importorskip(package)
    case("flux").build().save_pretrained(tmp_path / "model")
    omni = Omni(model=str(tmp_path / "model"), dtype="bfloat16", acceleration={"quantization": options})
    results = omni.map([case("flux").inputs(seed=seed, prompt="a cat", steps=2) for seed in range(2)])
    assert all(torch.as_tensor(value).isfinite().all() for value in flatten_output(results[0]))


def test_masks_read_nothing_from_the_device() -> None:
    """Deciding and extrapolating must not wait for the device; an estimate of change reads one number."""
    mask, easy = cache_policy("mask", {"mask": "1110", "order": 1}), cache_policy("easy_cache", {})
    assert mask is not None
    assert easy is not None
    seen: list[Any] = []
    engine = DiffusionEngine(
        OmniDiffusionConfig(pipeline=on_gpu(), cache_backend="mask", cache_config={"mask": "1110", "order": 1})
    )
    original = torch.cuda.get_sync_debug_mode()

    def predict(known: Any, policy: Any, sample: Any, step: int) -> Any:
        torch.cuda.set_sync_debug_mode("error")
        try:
            seen.append(predicted(known, policy, sample, step))
            with pytest.raises(RuntimeError, match="synchroniz"):
                TensorEvidence(known, known[-1].sample, sample).output_change()
        finally:
            torch.cuda.set_sync_debug_mode(original)
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.stepping.step_cache.predicted", predict)
        generator = torch.Generator("cuda").manual_seed(1)
        request = OmniDiffusionRequest(arguments={"generator": generator, "num_inference_steps": 8})
        output = engine.step([request])[0]
    assert output.error is None
    assert seen
