"""Z-Image and its relatives."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flow-16",
    "text_encoder": "Qwen3Model",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "ZImageTransformer2DModel",
}
CALL: dict[str, Any] = {"max_sequence_length": 48, "guidance_scale": 3.0, "negative_prompt": "bad quality"}
IMAGE = CALL | {"image": Picture(), "strength": 0.6}
HINT = {"control_image": Picture(salt=5)}
OMNI = BASE | {
    "transformer": "ZImageTransformer2DModel/omni",
    "siglip": "Siglip2VisionModel",
    "siglip_processor": "Siglip2ImageProcessor",
}

CASES = [
    Case("z-image", "ZImagePipeline", BASE, CALL),
    Case("z-image-turbo", "ZImagePipeline", BASE, {"max_sequence_length": 48, "guidance_scale": 0.0}),
    Case(
        "z-image-truncated-cfg", "ZImagePipeline", BASE, CALL | {"cfg_truncation": 0.5, "cfg_normalization": True}
    ),
    Case("z-image-img2img", "ZImageImg2ImgPipeline", BASE, IMAGE),
    Case("z-image-inpaint", "ZImageInpaintPipeline", BASE, IMAGE | {"mask_image": Mask()}),
    Case(
        "z-image-controlnet",
        "ZImageControlNetPipeline",
        BASE | {"controlnet": "ZImageControlNetModel"},
        CALL | HINT,
    ),
    Case(
        "z-image-controlnet-refiner",
        "ZImageControlNetPipeline",
        BASE | {"controlnet": "ZImageControlNetModel/refiner"},
        CALL | HINT,
    ),
    Case(
        "z-image-controlnet-inpaint",
        "ZImageControlNetInpaintPipeline",
        BASE | {"controlnet": "ZImageControlNetModel/inpaint"},
        CALL | HINT | {"image": Picture(), "mask_image": Mask()},
    ),
    Case("z-image-omni", "ZImageOmniPipeline", OMNI, CALL),
]
