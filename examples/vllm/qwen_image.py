"""Qwen-Image inside vLLM V1: python examples/vllm/qwen_image.py TEXT_MODEL QWEN_IMAGE [PROMPT]

TEXT_MODEL is whatever vLLM serves beside it (a folder or hub id), QWEN_IMAGE a Qwen-Image. vLLM is not changed: it
is told an executor, whose worker draws the requests that carry custom inputs. See docs/vllm.md.
"""

import argparse

from diffusers import QwenImagePipeline
from diffusers.image_processor import VaeImageProcessor
from vllm import LLM

from workers.vllm.processor import Sampling, build_custom_inputs_text_only
from workers.vllm.requests import generate_images

parser = argparse.ArgumentParser()
parser.add_argument("text_model")
parser.add_argument("qwen_image")
parser.add_argument("prompt", nargs="?", default="a red panda sitting on a tree branch")
parser.add_argument("--size", type=int, default=1024)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--kv-cache-bytes", type=int, default=2**30)


def main() -> None:
    asked = parser.parse_args()
    # The text is encoded here, outside vLLM.
    pipeline = QwenImagePipeline.from_pretrained(asked.qwen_image)
    sampling = Sampling(height=asked.size, width=asked.size, num_inference_steps=asked.steps, seed=7)
    inputs = build_custom_inputs_text_only(pipeline, asked.prompt, " ", sampling=sampling)

    llm = LLM(
        model=asked.text_model,
        runner="pooling",
        convert="embed",
        enforce_eager=True,
        kv_cache_memory_bytes=asked.kv_cache_bytes,
        distributed_executor_backend="workers.vllm.executor.QwenImageUniProcExecutor",
        additional_config={"qwen_image": {"model": asked.qwen_image, "dtype": "float32"}},
    )
    (pixels,) = generate_images(llm.llm_engine, [inputs])
    VaeImageProcessor.numpy_to_pil(VaeImageProcessor.pt_to_numpy(pixels))[0].save("panda.png")
    print("panda.png", *pixels.shape[-2:])


# vLLM may start processes of its own, which import this file.
if __name__ == "__main__":
    main()
