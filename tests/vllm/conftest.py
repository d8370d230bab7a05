"""Tiny models on disk, and a real vLLM engine that every test here shares. Skipped where vLLM is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.zoo import case
from benchmarks.zoo.components.tokenizers import VOCABULARY_SIZE, qwen

#: Arguments of vLLM that make an engine for a tiny model start in seconds on a CPU.
QUICK: dict[str, Any] = {
    "enforce_eager": True,
    "dtype": "float32",
    "max_model_len": 256,
    "kv_cache_memory_bytes": 2**26,
}


@dataclass(frozen=True)
class TinyModels:
    """Folders of a random Qwen2 and of a random Qwen-Image, and the latter in memory."""

    text: Path
    qwen_image: Path
    pipeline: Any

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """What vLLM is given to serve both."""
        return QUICK | {
            "model": str(self.text),
            "runner": "pooling",
            "convert": "embed",
            "distributed_executor_backend": "workers.vllm.executor.QwenImageUniProcExecutor",
            "additional_config": {"qwen_image": {"model": str(self.qwen_image)}},
        }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    config = Qwen2Config(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=2,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder / "text")
    qwen().save_pretrained(folder / "text")
    pipeline = case("qwen-image").build()
    pipeline.save_pretrained(folder / "qwen-image")
    return TinyModels(folder / "text", folder / "qwen-image", pipeline)


@pytest.fixture(scope="session")
def llm(tiny: TinyModels) -> Iterator[Any]:
    """vLLM in this process, on a CPU."""
    vllm = pytest.importorskip("vllm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        yield vllm.LLM(**tiny.engine_arguments)


@pytest.fixture(scope="session")
def matching(tiny: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen-Image whose denoiser reads the text that `tiny.text` writes: vLLM's CPU kernels want 32 channels
    a head, which the zoo's encoder has not."""
    import torch
    from diffusers import QwenImageTransformer2DModel

    folder = tmp_path_factory.mktemp("model")
    pipeline: Any = case("qwen-image").build()
    torch.manual_seed(0)
    pipeline.transformer = QwenImageTransformer2DModel.from_config(
        pipeline.transformer.config, joint_attention_dim=64
    )
    pipeline.save_pretrained(folder)
    return folder
