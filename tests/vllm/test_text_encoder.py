"""vLLM serves the text encoding, our engine the denoising: the pictures are those of the plain pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import case
from omni_jobs.errors import Misconfigured
from tests.vllm.conftest import QUICK, TinyModels
from workers.engine.config import OmniDiffusionConfig
from workers.loader import load_pipeline

PROMPTS = ("a red panda sitting on a tree branch", "a cup of coffee", "a cozy cabin in the snowy mountains")
CALL: dict[str, Any] = {
    "negative_prompt": "blurry",
    "height": 32,
    "width": 48,
    "num_inference_steps": 2,
    "true_cfg_scale": 3.0,
    "max_sequence_length": 48,
    "output_type": "pt",
}


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_jobs_encoded_by_vllm_give_the_plain_pictures(matching: Path, tiny: TinyModels) -> None:
    pytest.importorskip("vllm")
    from diffusers import QwenImagePipeline
    from transformers import Qwen2ForCausalLM

    from workers import Omni

    served = {"engine": "vllm", "model": str(tiny.text), **QUICK, "max_model_len": 512}
    del served["dtype"]
    omni = Omni(model=str(matching), text_encoder=served)
    calls = [
        {**CALL, "prompt": prompt, "generator": torch.Generator().manual_seed(number)}
        for number, prompt in enumerate(PROMPTS)
    ]
    together = omni.map(calls)
    plain = QwenImagePipeline.from_pretrained(matching, text_encoder=None)
    plain.text_encoder = Qwen2ForCausalLM.from_pretrained(tiny.text, dtype=torch.float32)
    for number, output in enumerate(together):
        alone = plain(**calls[number] | {"generator": torch.Generator().manual_seed(number)}).images
        assert float((output.images - alone).abs().max()) <= 1 / 255
    assert omni.stats.forwards < omni.stats.calls


@pytest.mark.parametrize(
    ("name", "text_encoder", "words"),
    [
        ("qwen-image", "other", "'other' is not known"),
        ("flux", "vllm", "FluxPipeline reads more of its text encoder than vLLM gives"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, name: str, text_encoder: str, words: str) -> None:
    case(name).build().save_pretrained(tmp_path)
    with pytest.raises(Misconfigured, match=words):
        load_pipeline(OmniDiffusionConfig(model=str(tmp_path), text_encoder=text_encoder))


def test_without_vllm_the_remedy_is_told(tmp_path: Path) -> None:
    try:
        import vllm  # noqa: F401
    except ImportError:
        case("qwen-image").build().save_pretrained(tmp_path)
        with pytest.raises(Misconfigured, match=r"omni-jobs\[vllm\]"):
            load_pipeline(OmniDiffusionConfig(model=str(tmp_path), text_encoder="vllm"))
