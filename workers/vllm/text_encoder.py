"""A pipeline's text encoder, served by vLLM: same arguments, same hidden states, vLLM's batches and kernels.

Put in a pipeline by `served_text`. It returns what vLLM's models end with, the last hidden states after the norm,
so it fits pipelines that read those, such as Qwen-Image's from text.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from vllm import EngineArgs, PoolingParams
from vllm.v1.engine.llm_engine import LLMEngine

#: vLLM's engine arguments, unless the row has others: the denoiser needs the device's memory more.
DEFAULTS: dict[str, Any] = {
    "gpu_memory_utilization": 0.3,
    "max_model_len": 2048,
    "distributed_executor_backend": "uni",
}


class VllmTextEncoder(nn.Module):
    """`model` is a folder or hub id that vLLM can serve; `options` are vLLM's engine arguments."""

    def __init__(self, model: str, dtype: torch.dtype, options: Mapping[str, Any]) -> None:
        super().__init__()
        arguments = {**DEFAULTS, **options, "model": model, "dtype": str(dtype).removeprefix("torch.")}
        fixed = {"runner": "pooling", "convert": "embed", "skip_tokenizer_init": True}
        # In this process: the tensors that come back need no other way, and the engine has one thread anyway.
        self._engine = LLMEngine.from_engine_args(EngineArgs(**arguments, **fixed), enable_multiprocessing=False)
        self._numbers = itertools.count()
        self.dtype = dtype
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @torch.no_grad()
    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_kwargs: Any
    ) -> BaseModelOutput:
        """Hidden states (rows, tokens, channels), zero where the mask (rows, tokens) is."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        kept = mask.bool().cpu()
        names = [str(next(self._numbers)) for _ in input_ids]
        for name, ids, row in zip(names, input_ids.cpu(), kept, strict=True):
            params = PoolingParams(task="token_embed", use_activation=False)
            self._engine.add_request(name, {"prompt_token_ids": ids[row].tolist()}, params)
        found: dict[str, torch.Tensor] = {}
        while self._engine.has_unfinished_requests():
            found |= {output.request_id: output.outputs.data for output in self._engine.step()}
        states = torch.zeros(*input_ids.shape, found[names[0]].shape[-1], dtype=self.dtype)
        for place, name in enumerate(names):
            states[place, kept[place]] = found[name].to(self.dtype)
        states = states.to(input_ids.device)
        return BaseModelOutput(last_hidden_state=states, hidden_states=(states,))
