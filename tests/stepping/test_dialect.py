"""`Omni` spoken to as the seeds' documents do: their own calls, rewritten, and what must be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.zoo import case, flatten_output
from omni_jobs.errors import InvalidRequest, Misconfigured
from tests.stepping.custom import ModuleContract
from tests.stepping.pipelines import seeded, tiny
from workers import Omni
from workers.dialect import REFUSED
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionSamplingParams
from workers.engine_process.describe import Description
from workers.prompts import read_prompts
from workers.registry import ModelRow

SMALL: dict[str, Any] = {"width": 48, "height": 32, "num_inference_steps": 2, "seed": 1}
TENSORS = {"output_type": "pt", "max_sequence_length": 48}


@pytest.fixture(scope="module")
def edit() -> Any:
    return case("qwen-image-edit").build()


@pytest.fixture(scope="module")
def text() -> Any:
    return case("qwen-image").build()


@pytest.fixture(scope="module")
def folder(text: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    text.save_pretrained(path)
    return str(path)


def params(**changes: Any) -> OmniDiffusionSamplingParams:
    return OmniDiffusionSamplingParams(**(SMALL | {"extra_args": TENSORS} | changes))


def same(mine: Any, theirs: Any, bound: float = 0.0) -> bool:
    pairs = zip(flatten_output(mine), flatten_output(theirs), strict=True)
    return all(abs(a - b).max() <= bound for a, b in pairs)


def test_the_guides_call_with_a_custom_pipeline(edit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Loading the model's own processor from a folder wants torchvision; the zoo's is made in memory.
    monkeypatch.setattr("workers.models.adapter.load_pipeline", lambda _od_config: edit)
    input_image = Image.new("RGB", (48, 32), (200, 30, 90))
    omni = Omni(
        model="Qwen/Qwen-Image-Edit",
        diffusion_load_format="dummy",
        custom_pipeline_args={"pipeline_class": "tests.stepping.custom.CustomPipeline"},
        cache_backend=None,
        tensor_parallel_size=1,
    )
    outputs = omni.generate(
        {"prompt": "Edit this image", "multi_modal_data": {"image": input_image}},
        params(num_inference_steps=3, true_cfg_scale=4.0, extra_args={}),
    )
    output = outputs[0].request_output[0]
    assert output is outputs[0].outputs[0]
    assert output.error is None
    assert output.metrics["trajectory_timesteps"].shape == (3,)
    assert output.latents.shape == output.metrics["trajectory_latents"].shape == (3, 1, 16, 64, 64)
    assert isinstance(output.images[0], Image.Image)
    assert output.metrics["calls"] == 3


def test_the_calls_of_the_model_guide(folder: str, tmp_path: Path) -> None:
    omni = Omni(model=folder, trust_remote_code=False)
    outputs = omni.generate(prompts=["a cat"], sampling_params=params(extra_args={"max_sequence_length": 48}))
    assert len(outputs) == 1
    assert len(outputs[0].outputs) == 1
    assert isinstance(outputs[0].outputs[0].images[0], Image.Image)
    assert outputs[0].outputs[0].size == (48, 32)
    outputs[0].outputs[0].save(tmp_path / "cat.png")
    assert (tmp_path / "cat.png").stat().st_size


def test_prompts_share_forwards_and_keep_their_own_parameters(text: Any) -> None:
    omni = Omni(pipeline=text)
    prompts: list[str | dict[str, str]] = [
        "a cat",
        {"prompt": "a dog in the rain", "negative_prompt": "blurry"},
        "a bird",
    ]
    own = [params(seed=index, num_inference_steps=2 + index) for index in range(3)]
    results = omni.generate(prompts, own)
    assert [result.prompt for result in results] == prompts
    assert omni.stats.forwards < omni.stats.calls
    for index, result in enumerate(results):
        one = prompts[index]
        prompt = one if isinstance(one, dict) else {"prompt": one}
        rest = {"width": 48, "height": 32, "num_inference_steps": 2 + index, "generator": seeded(index)}
        plain = text(**prompt, **rest, **TENSORS)
        assert same(result.images, list(plain.images), 1e-4)
        metrics = result.outputs[0].metrics
        assert 0 < metrics["forwards"] < metrics["calls"]


def test_outputs_of_one_prompt_have_the_seeds_that_follow(text: Any) -> None:
    (result,) = Omni(pipeline=text, caps="fixed(1)").generate("a cat", params(seed=7, num_outputs_per_prompt=3))
    assert [output.seed for output in result.outputs] == [7, 8, 9]
    for output in result.outputs:
        assert output.seed is not None
        rest = {"width": 48, "height": 32, "num_inference_steps": 2, "generator": seeded(output.seed)}
        assert same(output.images, list(text(prompt="a cat", **rest, **TENSORS).images))


def test_one_bad_prompt_fails_alone(text: Any) -> None:
    good = params()
    prompts: list[Any] = [
        "a cat",
        {"prompt": "a cat", "negative_promt": "typo"},
        {"prompt": "a cat", "multi_modal_data": {"image": Image.new("RGB", (8, 8))}},
        7,
        "a cat",
        "a cat",
    ]
    own = [good, good, good, good, params(extra_args={"max_sequence_length": 5000}), good]
    results = Omni(pipeline=text).generate(prompts, own)
    wrong = [result.error or "" for result in results]
    assert (wrong[0], wrong[5]) == ("", "")
    for index, word in ((1, "negative_prompt"), (2, "image"), (3, "int"), (4, "max_sequence_length")):
        assert word in wrong[index], wrong
        assert results[index].outputs[0].error == wrong[index]
        assert results[index].images == []
    assert same(results[0].images, results[5].images, 1e-4)


def test_latents_come_back_when_they_are_asked_for(text: Any) -> None:
    latent = {"output_type": "latent", "max_sequence_length": 48}
    (result,) = Omni(pipeline=text).generate("a cat", params(extra_args=latent))
    assert result.outputs[0].latents.ndim == 3
    assert result.images == []


def test_a_diffusers_subclass_is_loaded_by_its_path(folder: str, text: Any) -> None:
    omni = Omni(
        model=folder,
        diffusion_load_format="custom_pipeline",
        custom_pipeline_args={"pipeline_class": "tests.stepping.custom.UpsideDown"},
        torch_dtype=torch.float32,
    )
    (result,) = omni.generate("a cat", params())
    rest = {"width": 48, "height": 32, "num_inference_steps": 2, "generator": seeded(1)}
    plain = text(prompt="a cat", **rest, **TENSORS)
    assert same(result.images, [image.flip(-2) for image in plain.images])


def test_a_torch_module_of_the_contract_is_batched() -> None:
    omni = Omni(model="anything", custom_pipeline_args={"pipeline_class": "tests.stepping.custom.ModuleContract"})
    small = [OmniDiffusionSamplingParams(seed=seed, num_inference_steps=3) for seed in range(4)]
    results = omni.generate(["one", "two", "fail", "four"], small)
    assert "not wanted" in (results[2].error or "")
    assert omni.stats.forwards < omni.stats.calls
    alone = ModuleContract(od_config=OmniDiffusionConfig())
    for index in (0, 1, 3):
        (request,) = read_prompts("one", small[index])[0].requests
        torch.testing.assert_close(results[index].images[0], alone(request).output, rtol=1e-4, atol=1e-5)


def test_a_worker_describes_a_custom_class_by_the_pipeline_inside(
    text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.models.adapter.load_pipeline", lambda _od_config: text)
    custom = {"pipeline_class": "tests.stepping.custom.CustomPipeline"}
    row = ModelRow("mine", "a/b", load_format="custom_pipeline", custom_pipeline_args=custom)
    engine = DiffusionEngine(row.engine_config())
    described: Description = engine.collective_rpc("describe", args=(row,), unique_reply_rank=0)
    assert described.style.extra == {"output_type": "pt"}
    assert "num_inference_steps" in described.facts["card"]["parameters_schema"]["properties"]


@pytest.mark.parametrize(("option", "value"), [("enable_sleep_mode", "deep"), ("step_execution", False)])
def test_what_is_not_served_is_refused_by_name_with_the_reason(option: str, value: Any) -> None:
    with pytest.raises(Misconfigured, match=f"{option}.*refused: {REFUSED[option][1][:20]}"):
        Omni(pipeline=tiny(), **{option: value})


def test_unknown_options_and_double_names_are_refused() -> None:
    with pytest.raises(Misconfigured, match="`modle`"):
        Omni(pipeline=tiny(), modle="x")
    with pytest.raises(Misconfigured, match="same option"):
        Omni(pipeline=tiny(), load_format="default", diffusion_load_format="default")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"diffusion_load_format": "custom_pipeline"}, "loads no weights"),
        ({"diffusion_load_format": "gguf"}, "is not known"),
        ({"custom_pipeline_args": {"pipeline_class": "tests.stepping.custom.NOT_A_CLASS"}}, "neither"),
        ({"custom_pipeline_args": {"pipeline_class": "tests.stepping.custom.Absent"}}, "cannot be imported"),
        ({"custom_pipeline_args": {"pipeline_class": "a.B", "more": 1}}, "nothing else"),
    ],
)
def test_wrong_custom_classes_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        Omni(model="a/b", **options)


def test_parameters_are_one_or_as_many_as_prompts() -> None:
    with pytest.raises(InvalidRequest, match="2 for 3 prompts"):
        read_prompts(["a", "b", "c"], [params(), params()])
    shared = read_prompts(["a", "b"], [params()])
    assert [one.params for one in shared] == [params(), params()]
    (wrong,) = read_prompts("a", params(num_outputs_per_prompt=0))
    assert "num_outputs_per_prompt" in str(wrong.error)


def test_a_generator_that_serves_several_outputs_stands_for_its_seed() -> None:
    generator = seeded(5)
    (alone,) = read_prompts("a", params(seed=None, generator=generator))
    assert alone.requests[0].sampling_params.generator is generator
    (several,) = read_prompts("a", params(generator=generator, num_outputs_per_prompt=2))
    assert [request.sampling_params.seed for request in several.requests] == [5, 6]
    first, second = read_prompts(["a", "b"], params(generator=generator))
    assert first.requests[0].sampling_params.generator is second.requests[0].sampling_params.generator is None
