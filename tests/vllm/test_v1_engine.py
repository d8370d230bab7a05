"""Qwen-Image inside a real vLLM V1 engine: pictures come back through vLLM's own request path."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load

from omni_jobs.errors import ExecutionFailed
from tests.vllm.conftest import TinyModels
from workers.vllm.custom_inputs import CUSTOM_INPUTS_KEY, QwenImageCustomInputs
from workers.vllm.processor import Sampling, build_custom_inputs_text_only

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]

SAMPLING = Sampling(height=32, width=48, num_inference_steps=3, true_cfg_scale=3.0, max_sequence_length=48)
PROMPTS = ("a red panda sitting on a tree branch", "a cup of coffee", "a cozy cabin in the snowy mountains")
#: Largest difference of a pixel, of 0 to 1, from the plain pipeline's.
BOUND = 1 / 255


def inputs(tiny: TinyModels, number: int) -> QwenImageCustomInputs:
    sampling = replace(SAMPLING, seed=number)
    return build_custom_inputs_text_only(tiny.pipeline, PROMPTS[number], "blurry", sampling=sampling)


def plain(tiny: TinyModels, number: int) -> torch.Tensor:
    images: torch.Tensor = tiny.pipeline(
        prompt=PROMPTS[number],
        negative_prompt="blurry",
        height=32,
        width=48,
        num_inference_steps=3,
        true_cfg_scale=3.0,
        max_sequence_length=48,
        generator=torch.Generator("cpu").manual_seed(number),
        output_type="pt",
    ).images
    return images


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


def test_requests_give_the_pipelines_pictures(llm: Any, tiny: TinyModels) -> None:
    from workers.vllm.requests import generate_images

    images = generate_images(llm.llm_engine, [inputs(tiny, number) for number in range(3)])
    for number, image in enumerate(images):
        assert difference(image, plain(tiny, number)) <= BOUND


def test_a_picture_arrives_as_a_pooling_output_beside_an_embedding(llm: Any, tiny: TinyModels) -> None:
    from vllm import PoolingParams
    from vllm.outputs import PoolingRequestOutput

    from workers.vllm.requests import PROMPT, image_params

    before = llm.embed(["a cup of coffee"])[0].outputs.embedding
    engine = llm.llm_engine
    engine.add_request("words", "a cup of coffee", PoolingParams(task="embed"))
    engine.add_request("picture", PROMPT, image_params(inputs(tiny, 0)))
    done: dict[str, Any] = {}
    while engine.has_unfinished_requests():
        done |= {output.request_id: output for output in engine.step()}
    assert isinstance(done["picture"], PoolingRequestOutput)
    assert difference(done["picture"].outputs.data, plain(tiny, 0)) <= BOUND
    assert torch.allclose(done["words"].outputs.data, torch.tensor(before), atol=1e-5)


def test_a_request_that_cannot_be_drawn_harms_only_itself(llm: Any, tiny: TinyModels) -> None:
    from workers.vllm.requests import PROMPT, generate_images, image_of, image_params

    broken = image_params(inputs(tiny, 0))
    broken.extra_kwargs[CUSTOM_INPUTS_KEY] = b"not safetensors"
    llm.llm_engine.add_request("broken", PROMPT, broken)
    llm.llm_engine.add_request("sound", PROMPT, image_params(inputs(tiny, 1)))
    done: dict[str, Any] = {}
    while llm.llm_engine.has_unfinished_requests():
        done |= {output.request_id: output for output in llm.llm_engine.step()}
    with pytest.raises(ExecutionFailed, match="cannot be read"):
        image_of(done["broken"])
    assert difference(image_of(done["sound"]), plain(tiny, 1)) <= BOUND
    assert len(generate_images(llm.llm_engine, [inputs(tiny, 2)])) == 1


def test_collective_rpc_reaches_the_adapter(llm: Any, tiny: TinyModels) -> None:
    from workers.vllm.runner_adapter import QwenImageRunnerAdapter

    (adapter,) = llm.collective_rpc("get_qwen_image_adapter")
    assert isinstance(adapter, QwenImageRunnerAdapter)
    (content,) = llm.collective_rpc("generate_image", args=(inputs(tiny, 1).to_bytes(),))
    assert difference(load(content)["images"], plain(tiny, 1)) <= BOUND
    (content,) = llm.collective_rpc("generate_image", args=(inputs(tiny, 1).to_bytes(), False))
    assert load(content)["images"].shape == inputs(tiny, 1).image_latents.shape  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("auto", "workers.vllm.worker.QwenImageWorker"),
        ("vllm.v1.worker.cpu_worker.CPUWorker", "workers.vllm.worker.QwenImageWorker"),
        ("somebody.elses.Worker", "somebody.elses.Worker"),
    ],
)
def test_the_executor_leaves_a_chosen_worker_alone(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    pytest.importorskip("vllm")
    from types import SimpleNamespace

    from vllm.v1.executor.uniproc_executor import UniProcExecutor

    from workers.vllm.executor import QwenImageUniProcExecutor

    monkeypatch.setattr(UniProcExecutor, "_init_executor", lambda self: None)
    executor = object.__new__(QwenImageUniProcExecutor)
    executor.vllm_config = SimpleNamespace(parallel_config=SimpleNamespace(worker_cls=given))
    executor._init_executor()
    assert executor.vllm_config.parallel_config.worker_cls == used


def test_the_engine_may_be_another_process(tiny: TinyModels) -> None:
    pytest.importorskip("vllm")
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    from workers.vllm.requests import PROMPT, image_of, image_params

    async def draw(engine: Any, number: int) -> torch.Tensor:
        async for output in engine.encode(PROMPT, image_params(inputs(tiny, number)), str(number)):
            last = output
        return image_of(last)

    async def draw_all() -> list[torch.Tensor]:
        engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**tiny.engine_arguments))
        try:
            return await asyncio.gather(*(draw(engine, number) for number in range(3)))
        finally:
            engine.shutdown()

    for number, image in enumerate(asyncio.run(draw_all())):
        assert difference(image, plain(tiny, number)) <= BOUND
