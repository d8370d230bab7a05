"""What vLLM gains as a text encoder: `python -m benchmarks.text_encoding`, in the environment of `make test-vllm`.

Prompts in Qwen-Image's template through a random Qwen2: one call each, calls merged as our engine merges them, and
by vLLM. Processor seconds, so that other work on the machine does not count.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.zoo import case
from benchmarks.zoo.components.tokenizers import VOCABULARY_SIZE, qwen

SCENE = "a red panda sits on a wooden table near the window of a cozy cabin in the snowy mountains at sunset"


def prompts(count: int) -> list[str]:
    """Prompts of unequal length that do not share their beginnings."""
    words = SCENE.split()
    turned = (words[number % len(words) :] + words for number in range(count))
    return [" ".join(text[: 5 + number % 15]) for number, text in enumerate(turned)]


def measured(run: Callable[[], Any], times: int) -> float:
    """The least processor seconds of several runs, after one that does not count."""
    run()
    seconds = []
    for _ in range(times):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return min(seconds)


@click.command()
@click.option("--layers", default=8, show_default=True)
@click.option("--hidden", default=512, show_default=True)
@click.option("--count", default=16, show_default=True, help="Prompts.")
@click.option("--times", default=3, show_default=True)
@torch.no_grad()
def main(layers: int, hidden: int, count: int, times: int) -> None:
    # On a CPU vLLM would put its worker in a process of its own, whose time is not counted here.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from workers.vllm.text_encoder import VllmTextEncoder

    template = case("qwen-image").build().prompt_template_encode
    tokenizer = qwen()
    texts = [template.format(prompt) for prompt in prompts(count)]
    rows = [tokenizer([text], return_tensors="pt") for text in texts]
    padded = tokenizer(texts, padding=True, return_tensors="pt")
    config = Qwen2Config(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 256),
        max_position_embeddings=2048,
    )
    plain = Qwen2ForCausalLM(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        plain.save_pretrained(Path(folder))
        options = {"enforce_eager": True, "kv_cache_memory_bytes": 2**27}
        served = VllmTextEncoder(folder, torch.float32, options)
        model = plain.model
        ways: dict[str, Callable[[], Any]] = {
            "one call each": lambda: [model(**row) for row in rows],
            "merged, 8 a forward": lambda: [
                model(padded.input_ids[at : at + 8], padded.attention_mask[at : at + 8])
                for at in range(0, count, 8)
            ],
            "vLLM, all together": lambda: served(**padded),
            "vLLM, one call each": lambda: [served(**row) for row in rows],
        }
        for name, way in ways.items():
            print(f"{name:24} {1000 * measured(way, times) / count:8.1f} ms of processor time a prompt")
        states = served(**padded).last_hidden_state
        kept = padded.attention_mask.bool()
        difference = (states[kept] - model(**padded).last_hidden_state[kept]).abs().max()
        print(f"greatest difference of a hidden state: {float(difference):.1e}")
        print(f"tokens: {int(kept.sum())}, with padding {kept.numel()}, parameters {plain.num_parameters():,}")


if __name__ == "__main__":
    main()
