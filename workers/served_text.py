"""`text_encoder` of a row: the text encoder of a pipeline served by vLLM. Called by the loader.

Nothing of vLLM is imported unless a row asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from omni_jobs.errors import Misconfigured

#: Pipelines that read the last hidden states of their text encoder, and nothing else of it.
FITTING = ("QwenImagePipeline", "QwenImageStepPipeline", "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline")


def serve_text(pipeline: Any, source: str, text_encoder: str | Mapping[str, Any]) -> None:
    """Give a pipeline that was loaded without its text encoder one that vLLM serves.

    `text_encoder` is `"vllm"`, or a table with `engine = "vllm"`, `model` if it is not the pipeline's own, and
    vLLM's engine arguments.

    Raises:
        Misconfigured: another engine, a pipeline that needs more than vLLM gives, or vLLM is not installed.
    """
    options = {"engine": text_encoder} if isinstance(text_encoder, str) else dict(text_encoder)
    engine = options.pop("engine", None)
    if engine != "vllm":
        raise Misconfigured(
            f"`text_encoder`: {engine!r} is not known.", field="text_encoder", value=engine, remedy='Use "vllm".'
        )
    if type(pipeline).__name__ not in FITTING:
        raise Misconfigured(
            f"`text_encoder`: {type(pipeline).__name__} reads more of its text encoder than vLLM gives.",
            field="text_encoder",
            value=engine,
            remedy=f"It fits {', '.join(FITTING)}.",
        )
    try:
        from workers.vllm.text_encoder import VllmTextEncoder
    except ImportError as error:
        raise Misconfigured(
            f"`text_encoder`: vLLM cannot be used: {error}.",
            field="text_encoder",
            value=engine,
            remedy="pip install 'omni-jobs[vllm]'",
        ) from error
    model = str(options.pop("model", Path(source) / "text_encoder"))
    dtype: torch.dtype = pipeline.transformer.dtype
    pipeline.register_modules(text_encoder=VllmTextEncoder(model, dtype, options))
