"""vLLM encodes the text, our engine denoises: python examples/vllm/text_encoder.py QWEN_IMAGE [TEXT_MODEL]

TEXT_MODEL is a folder that vLLM can serve; the pipeline's own if absent. docs/vllm.md says when it pays.
"""

import sys

import torch

from workers import Omni


def main() -> None:
    model, *text_model = sys.argv[1:]
    served = {"engine": "vllm", "kv_cache_memory_bytes": 2**28, "max_model_len": 1024, "enforce_eager": True}
    if text_model:
        served["model"] = text_model[0]
    omni = Omni(model=model, text_encoder=served)
    common = {"height": 256, "width": 256, "num_inference_steps": 4}
    calls = [
        common | {"prompt": prompt, "generator": torch.Generator().manual_seed(7)}
        for prompt in ("a red panda", "a cup of coffee on a table")
    ]
    for number, output in enumerate(omni.map(calls)):
        output.images[0].save(f"{number}.png")
        print(f"{number}.png", *output.images[0].size)


# vLLM starts a process of its own, which imports this file.
if __name__ == "__main__":
    main()
