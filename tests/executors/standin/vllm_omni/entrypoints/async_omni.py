"""`AsyncOmni` with the signatures of 0.30. Pictures follow prompt and seed; words in a prompt ask for trouble."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from PIL import Image
from vllm_omni.outputs import OmniRequestOutput

#: What happened, in order, for tests in this process.
LOG: list[str] = []


class AsyncOmni:
    def __init__(self, model: str = "", *args: Any, **kwargs: Any) -> None:
        self.model, self.options = model, kwargs
        LOG.append(f"made {model} {sorted(kwargs.items())}")

    async def generate(
        self,
        prompt: Any,
        sampling_params: Any = None,
        request_id: str = "",
        *,
        sampling_params_list: Sequence[Any] | None = None,
    ) -> AsyncGenerator[OmniRequestOutput, None]:
        assert sampling_params_list is not None
        (params,) = sampling_params_list
        LOG.append(f"began {request_id}")
        try:
            while "endless" in prompt["prompt"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            if "broken" in prompt["prompt"]:
                raise ValueError("the stage failed")
            text = f"{prompt['prompt']} {params.seed} {params.num_inference_steps}"
            color = tuple(hashlib.sha256(text.encode()).digest()[:3])
            picture = Image.new("RGB", (params.width or 64, params.height or 64), color)
            if "refused" in prompt["prompt"]:
                yield OmniRequestOutput(request_id, error="refused by the model")
            else:
                yield OmniRequestOutput(request_id, "image", [picture])
        except (asyncio.CancelledError, GeneratorExit):
            LOG.append(f"aborted {request_id}")
            raise

    async def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        stage_ids: list[int] | None = None,
    ) -> list[Any]:
        return [f"{method}{args}"]

    async def check_health(self) -> None:
        if "ill" in self.model:
            raise RuntimeError("Orchestrator process is not alive")

    def shutdown(self, timeout: float | None = None) -> None:
        LOG.append("shut down")
