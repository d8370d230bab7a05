"""Requests for pictures as vLLM takes them, and pictures from what it answers. For whoever holds the vLLM engine.

A vLLM request is tokens and pooling parameters. The inputs ride in `extra_kwargs`; the tokens are one that stands
for nothing. vLLM's own name for a task it does not know is `plugin`, so that is what the engine is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import torch
from vllm import PoolingParams

from omni_jobs.errors import ExecutionFailed
from workers.vllm.custom_inputs import (
    CUSTOM_INPUTS_KEY,
    TASK_IMAGE_GENERATION,
    QwenImageCustomInputs,
    validate_custom_inputs,
)

#: Key of `extra_kwargs` that names the task.
TASK_KEY = "task"
#: Key of `extra_kwargs`: pixels, or latents if it is false.
DECODE_KEY = "decode_pixels"
#: The prompt of every such request: the text model runs over this one token, and nobody looks at what it finds.
PROMPT = {"prompt_token_ids": [0]}


def image_params(inputs: QwenImageCustomInputs, decode_pixels: bool = True) -> PoolingParams:
    """Pooling parameters that carry these inputs, for `LLMEngine.add_request` or `AsyncLLM.encode`.

    Raises:
        InvalidRequest: the inputs contradict each other.
    """
    validate_custom_inputs(inputs)
    return PoolingParams(
        task="plugin",
        skip_reading_prefix_cache=True,
        extra_kwargs={
            TASK_KEY: TASK_IMAGE_GENERATION,
            CUSTOM_INPUTS_KEY: inputs.to_bytes(),
            DECODE_KEY: decode_pixels,
        },
    )


def image_of(output: Any) -> torch.Tensor:
    """The tensor in a `PoolingRequestOutput`: see `QwenImageRunnerAdapter.generate`.

    Raises:
        ExecutionFailed: this request could not be drawn; the message says why.
    """
    data: torch.Tensor = output.outputs.data
    if data.dtype == torch.uint8 and data.ndim == 1:
        raise ExecutionFailed(bytes(data.tolist()).decode())
    return data


def generate_images(
    engine: Any, requests: Sequence[QwenImageCustomInputs], decode_pixels: bool = True
) -> list[torch.Tensor]:
    """Draw them on an offline engine (`LLM.llm_engine`) and wait; other requests of that engine must be done.

    Raises:
        InvalidRequest, ExecutionFailed: one of them is wrong, or could not be drawn.
    """
    params = [image_params(inputs, decode_pixels) for inputs in requests]
    names = [f"img_{uuid.uuid4().hex}" for _ in params]
    for name, one in zip(names, params, strict=True):
        engine.add_request(name, PROMPT, one)
    done: dict[str, Any] = {}
    while engine.has_unfinished_requests():
        done |= {output.request_id: output for output in engine.step() if output.finished}
    return [image_of(done[name]) for name in names]
