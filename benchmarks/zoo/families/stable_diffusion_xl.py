"""Stable Diffusion XL and its relatives."""

from benchmarks.zoo.case import Case

BASE = {
    "scheduler": "EulerDiscreteScheduler",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "tokenizer_2": "CLIPTokenizer",
    "unet": "UNet2DConditionModel/xl",
}
CALL = {"guidance_scale": 5.0, "negative_prompt": "bad quality"}

CASES = [
    Case("sdxl", "StableDiffusionXLPipeline", BASE, CALL),
    Case("sdxl-no-cfg", "StableDiffusionXLPipeline", BASE, {"guidance_scale": 1.0}),
]
