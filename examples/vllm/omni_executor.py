"""vLLM-Omni's engine behind ours: python examples/vllm/omni_executor.py MODEL [PROMPT ...]

Needs an environment with vLLM-Omni 0.30 (see docs/vllm.md). The same model as a row of omni.toml, for jobs:

    [models.painter]
    source = "Qwen/Qwen-Image"
    executor = "vllm-omni"
    pipeline_class = "QwenImagePipeline"
"""

import sys

from workers import Omni
from workers.engine import OmniDiffusionSamplingParams


def main() -> None:
    model, *prompts = sys.argv[1:]
    omni = Omni(model=model, distributed_executor_backend="vllm-omni")
    params = OmniDiffusionSamplingParams(seed=7, num_inference_steps=20)
    results = omni.generate(prompts or ["a red panda", "a cup of coffee"], params)
    for number, result in enumerate(results):
        if result.error:
            print(result.error)
            continue
        result.images[0].save(f"{number}.png")
        print(f"{number}.png", *result.images[0].size)
    omni.close()


# vLLM-Omni may start processes of its own, which import this file.
if __name__ == "__main__":
    main()
