"""Stable Diffusion 3 and its relatives."""

from benchmarks.zoo.case import Case

BASE = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/sd3",
    "text_encoder": "CLIPTextModelWithProjection",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "tokenizer_2": "CLIPTokenizer",
    "text_encoder_3": "T5EncoderModel/64",
    "tokenizer_3": "T5Tokenizer",
    "transformer": "SD3Transformer2DModel",
}
CALL = {"max_sequence_length": 48, "guidance_scale": 5.0, "negative_prompt": "bad quality"}

CASES = [
    Case("sd3", "StableDiffusion3Pipeline", BASE, CALL),
    Case("sd3-no-cfg", "StableDiffusion3Pipeline", BASE, {"max_sequence_length": 48, "guidance_scale": 1.0}),
]
