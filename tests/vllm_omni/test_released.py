"""The released vLLM-Omni, in an environment of its own: the executor speaks the interface that it has.

It has no platform for a CPU, so its engine is replaced by one that checks every call against the real signatures;
parameters and results are the real classes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pytest
from PIL import Image

from omni_jobs.errors import EngineUnavailable
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.engine.request import EngineEvent, OmniDiffusionSamplingParams, RequestFailed, RequestFinished

pytestmark = pytest.mark.vllm


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the engine was asked for: the parameters of each request."""
    from vllm_omni.entrypoints import async_omni
    from vllm_omni.outputs import OmniRequestOutput

    found: list[Any] = []

    async def generate(
        prompt: Any, request_id: str, sampling_params_list: list[Any]
    ) -> AsyncGenerator[OmniRequestOutput, None]:
        (params,) = sampling_params_list
        found.append(params)
        if "broken" in prompt["prompt"]:
            yield OmniRequestOutput.from_error(request_id, "the stage failed")
        else:
            picture = Image.new("RGB", (params.width, params.height), "red")
            yield OmniRequestOutput.from_diffusion(request_id, [picture])

    kind = create_autospec(async_omni.AsyncOmni)
    kind.return_value.generate.side_effect = generate
    kind.return_value.collective_rpc.side_effect = lambda method, timeout, args, kwargs: [method]
    monkeypatch.setattr(async_omni, "AsyncOmni", kind)
    return found


def opened() -> DiffusionEngine:
    return DiffusionEngine(OmniDiffusionConfig(model="somebody/model", distributed_executor_backend="vllm-omni"))


def test_requests_go_through_the_released_classes(asked: list[Any]) -> None:
    from vllm_omni.inputs.data import OmniDiffusionSamplingParams as Released

    engine = opened()
    ended: dict[str, EngineEvent] = {}

    def hear(event: EngineEvent) -> None:
        if isinstance(event, RequestFinished | RequestFailed):
            ended[event.request_id] = event

    engine._on_event = hear
    for prompt in ("fox", "broken"):
        params = OmniDiffusionSamplingParams(
            width=32, height=16, seed=7, num_inference_steps=5, extra_args={"output_type": "pil", "layers_of": 3}
        )
        engine.submit(OmniDiffusionRequest(prompt=prompt, sampling_params=params, request_id=prompt))
    while not engine.is_idle:
        engine.advance()
    fox, broken = ended["fox"], ended["broken"]
    assert isinstance(fox, RequestFinished)
    assert np.asarray(fox.output.output.images[0]).shape == (16, 32, 3)
    assert isinstance(broken, RequestFailed)
    assert "the stage failed" in str(broken.error)
    for params in asked:
        assert isinstance(params, Released)
        assert (params.width, params.height, params.seed, params.num_inference_steps) == (32, 16, 7, 5)
        assert params.extra_args == {"layers_of": 3}
    engine.executor.check_health()
    assert engine.collective_rpc("list_loras") == ["list_loras"]
    engine.close()


def test_an_engine_that_does_not_start_is_told() -> None:
    with pytest.raises(EngineUnavailable, match="vLLM-Omni does not start: ") as caught:
        opened()
    assert "no platform for a CPU" in str(caught.value)
