"""Z-Image and its relatives."""

from benchmarks.zoo.case import Case

BASE = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flow-16",
    "text_encoder": "Qwen3Model",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "ZImageTransformer2DModel",
}
CALL = {"max_sequence_length": 48, "guidance_scale": 3.0, "negative_prompt": "bad quality"}

CASES = [
    Case("z-image", "ZImagePipeline", BASE, CALL),
    Case("z-image-turbo", "ZImagePipeline", BASE, {"max_sequence_length": 48, "guidance_scale": 0.0}),
]
