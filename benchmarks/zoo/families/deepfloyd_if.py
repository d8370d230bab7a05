"""DeepFloyd IF: pixel diffusion and its super-resolution stages."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "tokenizer": "T5Tokenizer/77",
    "text_encoder": "T5EncoderModel",
    "unet": "UNet2DConditionModel/if",
    "scheduler": "DDPMScheduler/if",
    "safety_checker": None,
    "feature_extractor": None,
    "watermarker": None,
    "requires_safety_checker": False,
}
UPSCALE = BASE | {"unet": "UNet2DConditionModel/if-upscale", "image_noising_scheduler": "DDPMScheduler"}
CALL: dict[str, Any] = {"guidance_scale": 7.0, "negative_prompt": "bad quality", "clean_caption": False}
IMAGE = CALL | {"image": Picture(), "strength": 0.8}
SMALL = Picture((16, 16), salt=4)
IfCase = partial(Case, size=(32, 32), swap_sizes=False)

CASES = [
    IfCase("if", "IFPipeline", BASE, CALL),
    IfCase("if-img2img", "IFImg2ImgPipeline", BASE, IMAGE, pass_size=False),
    IfCase("if-inpainting", "IFInpaintingPipeline", BASE, IMAGE | {"mask_image": Mask()}, pass_size=False),
    IfCase("if-super-resolution", "IFSuperResolutionPipeline", UPSCALE, CALL | {"image": SMALL}),
    IfCase(
        "if-img2img-super-resolution",
        "IFImg2ImgSuperResolutionPipeline",
        UPSCALE,
        CALL | {"image": SMALL, "original_image": Picture()},
        pass_size=False,
    ),
    IfCase(
        "if-inpainting-super-resolution",
        "IFInpaintingSuperResolutionPipeline",
        UPSCALE,
        CALL | {"image": SMALL, "original_image": Picture(), "mask_image": Mask()},
        pass_size=False,
    ),
]
