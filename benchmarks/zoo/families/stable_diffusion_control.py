"""Stable Diffusion 1.x steered by control networks and adapters."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families.stable_diffusion import BASE, CALL, IMAGE, INPAINT
from benchmarks.zoo.media import Picture

CONTROL: dict[str, Any] = BASE | {"controlnet": "ControlNetModel"}
HINT = Picture(salt=5)

CASES = [
    Case("sd-controlnet", "StableDiffusionControlNetPipeline", CONTROL, CALL | {"image": HINT}),
    Case(
        "sd-controlnet-guess",
        "StableDiffusionControlNetPipeline",
        CONTROL,
        CALL | {"image": HINT, "guess_mode": True},
    ),
    Case(
        "sd-controlnet-two",
        "StableDiffusionControlNetPipeline",
        BASE | {"controlnet": ["ControlNetModel", "ControlNetModel/second"]},
        CALL | {"image": [HINT, Picture(salt=6)], "controlnet_conditioning_scale": [0.7, 0.4]},
    ),
    Case(
        "sd-controlnet-ends-early",
        "StableDiffusionControlNetPipeline",
        CONTROL,
        CALL | {"image": HINT, "control_guidance_end": 0.5},
    ),
    Case(
        "sd-controlnet-img2img",
        "StableDiffusionControlNetImg2ImgPipeline",
        CONTROL,
        IMAGE | {"control_image": HINT},
    ),
    Case(
        "sd-controlnet-inpaint",
        "StableDiffusionControlNetInpaintPipeline",
        CONTROL,
        INPAINT | {"control_image": HINT},
    ),
    Case("pag-sd-controlnet", "StableDiffusionControlNetPAGPipeline", CONTROL, CALL | {"image": HINT}),
    Case(
        "pag-sd-controlnet-inpaint",
        "StableDiffusionControlNetPAGInpaintPipeline",
        CONTROL,
        INPAINT | {"control_image": HINT},
    ),
    Case(
        "sd-adapter",
        "StableDiffusionAdapterPipeline",
        BASE | {"adapter": "T2IAdapter", "unet": "UNet2DConditionModel/adapter"},
        CALL | {"image": HINT, "adapter_conditioning_scale": 0.5},
    ),
    Case(
        "sd-controlnet-xs",
        "StableDiffusionControlNetXSPipeline",
        BASE | {"controlnet": "ControlNetXSAdapter", "unet": "UNet2DConditionModel/xs"},
        CALL | {"image": HINT},
    ),
]
