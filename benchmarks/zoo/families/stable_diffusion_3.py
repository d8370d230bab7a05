"""Stable Diffusion 3 and its relatives."""

from typing import Any

from benchmarks.zoo.case import Case, Plain
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
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
CALL: dict[str, Any] = {"max_sequence_length": 48, "guidance_scale": 5.0, "negative_prompt": "bad quality"}

IMAGE = CALL | {"image": Picture(), "strength": 0.6}
CONTROL = BASE | {"controlnet": "SD3ControlNetModel"}

CASES = [
    Case("sd3", "StableDiffusion3Pipeline", BASE, CALL),
    Case("sd3-no-cfg", "StableDiffusion3Pipeline", BASE, {"max_sequence_length": 48, "guidance_scale": 1.0}),
    Case(
        "sd3-skip-layers",
        "StableDiffusion3Pipeline",
        BASE,
        CALL | {"skip_guidance_layers": [1], "skip_layer_guidance_stop": 0.9},
    ),
    Case("sd3-img2img", "StableDiffusion3Img2ImgPipeline", BASE, IMAGE),
    Case(
        "sd3-inpaint",
        "StableDiffusion3InpaintPipeline",
        BASE | {"vae": "AutoencoderKL/flow-16", "transformer": "SD3Transformer2DModel/16"},
        IMAGE | {"mask_image": Mask()},
    ),
    Case(
        "sd3-inpaint-33",
        "StableDiffusion3InpaintPipeline",
        BASE | {"vae": "AutoencoderKL/flow-16", "transformer": "SD3Transformer2DModel/33"},
        IMAGE | {"mask_image": Mask()},
    ),
    Case(
        "sd3-controlnet",
        "StableDiffusion3ControlNetPipeline",
        CONTROL,
        CALL | {"control_image": Picture(salt=5)},
        global_random=True,
    ),
    Case(
        "sd3-controlnet-inpainting",
        "StableDiffusion3ControlNetInpaintingPipeline",
        BASE | {"controlnet": "SD3ControlNetModel/inpaint"},
        CALL | {"control_image": Picture(salt=5), "control_mask": Mask()},
        global_random=True,
    ),
    Case(
        "pag-sd3",
        "StableDiffusion3PAGPipeline",
        BASE | {"pag_applied_layers": Plain(["blocks.1"])},
        CALL | {"pag_scale": 3.0},
    ),
    Case(
        "pag-sd3-img2img",
        "StableDiffusion3PAGImg2ImgPipeline",
        BASE | {"pag_applied_layers": Plain(["blocks.1"])},
        IMAGE | {"pag_scale": 3.0},
    ),
]
