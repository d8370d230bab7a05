"""Qwen-Image and its relatives."""

from benchmarks.zoo.case import Case

BASE = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLQwenImage",
    "text_encoder": "Qwen2_5_VLForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "QwenImageTransformer2DModel",
}
CALL = {"max_sequence_length": 48, "negative_prompt": "bad quality", "true_cfg_scale": 3.0}

CASES = [
    Case("qwen-image", "QwenImagePipeline", BASE, CALL),
    Case("qwen-image-no-cfg", "QwenImagePipeline", BASE, {"max_sequence_length": 48, "true_cfg_scale": 1.0}),
]
