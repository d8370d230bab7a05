"""Stable Diffusion XL: text, image, inpainting, control networks, adapters and perturbed attention."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "scheduler": "EulerDiscreteScheduler",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "tokenizer_2": "CLIPTokenizer",
    "unet": "UNet2DConditionModel/xl",
}
REFINER: dict[str, Any] = BASE | {
    "text_encoder": None,
    "tokenizer": None,
    "unet": "UNet2DConditionModel/xl-refiner",
    "requires_aesthetics_score": True,
}
CONTROL: dict[str, Any] = BASE | {"controlnet": "ControlNetModel/xl"}
UNION: dict[str, Any] = BASE | {"controlnet": "ControlNetUnionModel"}
CALL: dict[str, Any] = {"guidance_scale": 5.0, "negative_prompt": "bad quality"}
IMAGE: dict[str, Any] = CALL | {"image": Picture(), "strength": 0.8}
INPAINT: dict[str, Any] = CALL | {"image": Picture(), "mask_image": Mask()}
HINT = Picture(salt=5)
SCHEDULERS = {
    "heun": "HeunDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
    "dpm-multistep": "DPMSolverMultistepScheduler",
}

CASES = [
    Case("sdxl", "StableDiffusionXLPipeline", BASE, CALL),
    Case("sdxl-no-cfg", "StableDiffusionXLPipeline", BASE, {"guidance_scale": 1.0}),
    Case("sdxl-ends-early", "StableDiffusionXLPipeline", BASE, CALL | {"denoising_end": 0.7}),
    Case(
        "sdxl-guidance-embedding",
        "StableDiffusionXLPipeline",
        BASE | {"unet": "UNet2DConditionModel/xl-lcm", "scheduler": "LCMScheduler"},
        {"guidance_scale": 8.0},
    ),
    Case("sdxl-img2img", "StableDiffusionXLImg2ImgPipeline", BASE, IMAGE, pass_size=False),
    Case("sdxl-refiner", "StableDiffusionXLImg2ImgPipeline", REFINER, IMAGE, pass_size=False),
    Case("sdxl-inpaint", "StableDiffusionXLInpaintPipeline", BASE, INPAINT | {"strength": 0.9}),
    Case(
        "sdxl-instruct-pix2pix",
        "StableDiffusionXLInstructPix2PixPipeline",
        BASE | {"unet": "UNet2DConditionModel/xl-pix2pix"},
        CALL | {"image": Picture(), "image_guidance_scale": 1.5},
    ),
    Case("sdxl-controlnet", "StableDiffusionXLControlNetPipeline", CONTROL, CALL | {"image": HINT}),
    Case(
        "sdxl-controlnet-img2img",
        "StableDiffusionXLControlNetImg2ImgPipeline",
        CONTROL,
        IMAGE | {"control_image": HINT},
    ),
    Case(
        "sdxl-controlnet-inpaint",
        "StableDiffusionXLControlNetInpaintPipeline",
        CONTROL,
        INPAINT | {"control_image": HINT},
    ),
    Case(
        "sdxl-controlnet-union",
        "StableDiffusionXLControlNetUnionPipeline",
        UNION,
        CALL | {"control_image": [HINT], "control_mode": [0]},
    ),
    Case(
        "sdxl-controlnet-union-img2img",
        "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        UNION,
        IMAGE | {"control_image": [HINT], "control_mode": [0]},
    ),
    Case(
        "sdxl-controlnet-union-inpaint",
        "StableDiffusionXLControlNetUnionInpaintPipeline",
        UNION,
        INPAINT | {"control_image": [HINT], "control_mode": [0]},
    ),
    Case(
        "sdxl-controlnet-xs",
        "StableDiffusionXLControlNetXSPipeline",
        BASE | {"controlnet": "ControlNetXSAdapter/xl", "unet": "UNet2DConditionModel/xl-xs"},
        CALL | {"image": HINT},
    ),
    Case(
        "sdxl-adapter",
        "StableDiffusionXLAdapterPipeline",
        BASE | {"adapter": "T2IAdapter/xl", "unet": "UNet2DConditionModel/xl-adapter"},
        CALL | {"image": HINT, "adapter_conditioning_scale": 0.5},
    ),
    Case("pag-sdxl", "StableDiffusionXLPAGPipeline", BASE, CALL | {"pag_scale": 3.0}),
    Case("pag-sdxl-img2img", "StableDiffusionXLPAGImg2ImgPipeline", BASE, IMAGE, pass_size=False),
    Case("pag-sdxl-inpaint", "StableDiffusionXLPAGInpaintPipeline", BASE, INPAINT),
    Case("pag-sdxl-controlnet", "StableDiffusionXLControlNetPAGPipeline", CONTROL, CALL | {"image": HINT}),
    Case(
        "pag-sdxl-controlnet-img2img",
        "StableDiffusionXLControlNetPAGImg2ImgPipeline",
        CONTROL,
        IMAGE | {"control_image": HINT},
    ),
    *(
        Case(f"sdxl-{suffix}", "StableDiffusionXLPipeline", BASE | {"scheduler": row}, CALL)
        for suffix, row in SCHEDULERS.items()
    ),
]
