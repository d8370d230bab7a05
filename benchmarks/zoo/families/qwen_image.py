"""Qwen-Image and its relatives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLQwenImage",
    "text_encoder": "Qwen2_5_VLForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "QwenImageTransformer2DModel",
}
CONTROL = BASE | {"controlnet": "QwenImageControlNetModel"}
EDIT = BASE | {"processor": "Qwen2VLProcessor"}
LAYERED = EDIT | {
    "transformer": "QwenImageTransformer2DModel/layered",
    "vae": "AutoencoderKLQwenImage/layered",
}
CALL: dict[str, Any] = {"max_sequence_length": 48, "negative_prompt": "bad quality", "true_cfg_scale": 3.0}
IMAGE = CALL | {"image": Picture(), "strength": 0.6}
HINT = {"control_image": Picture(salt=5)}
EDIT_CALL = CALL | {"image": Picture(salt=2)}
EDIT_AREA_PIXELS = 64 * 96


def shrink_condition(pipeline: Any) -> None:
    """Make editing pipelines resize their pictures to a tiny area instead of some 1024x1024 pixels.

    The area is a literal in the call, so the function that its module uses to work out sizes is replaced
    once per process; nothing else of the pipeline changes.
    """
    module = sys.modules[type(pipeline).__module__]
    original: Callable[[int, float], Any] = module.calculate_dimensions
    if getattr(original, "is_shrunk", False):
        return

    def calculate_dimensions(target_area: int, ratio: float) -> Any:
        return original(min(target_area, EDIT_AREA_PIXELS), ratio)

    calculate_dimensions.is_shrunk = True  # type: ignore[attr-defined]
    module.calculate_dimensions = calculate_dimensions  # type: ignore[attr-defined]


CASES = [
    Case("qwen-image", "QwenImagePipeline", BASE, CALL),
    Case("qwen-image-no-cfg", "QwenImagePipeline", BASE, {"max_sequence_length": 48, "true_cfg_scale": 1.0}),
    Case(
        "qwen-image-dynamic-shift",
        "QwenImagePipeline",
        BASE | {"scheduler": "FlowMatchEulerDiscreteScheduler/dynamic"},
        CALL,
    ),
    Case("qwen-image-img2img", "QwenImageImg2ImgPipeline", BASE, IMAGE),
    Case("qwen-image-inpaint", "QwenImageInpaintPipeline", BASE, IMAGE | {"mask_image": Mask()}),
    Case("qwen-image-controlnet", "QwenImageControlNetPipeline", CONTROL, CALL | HINT),
    Case(
        "qwen-image-controlnet-inpaint",
        "QwenImageControlNetInpaintPipeline",
        BASE | {"controlnet": "QwenImageControlNetModel/inpaint"},
        CALL | HINT | {"control_mask": Mask()},
        global_random=True,
    ),
    Case("qwen-image-edit", "QwenImageEditPipeline", EDIT, EDIT_CALL, prepare=shrink_condition),
    Case(
        "qwen-image-edit-zero-condition",
        "QwenImageEditPipeline",
        EDIT | {"transformer": "QwenImageTransformer2DModel/zero-condition"},
        EDIT_CALL,
        prepare=shrink_condition,
    ),
    Case(
        "qwen-image-edit-inpaint",
        "QwenImageEditInpaintPipeline",
        EDIT,
        EDIT_CALL | {"mask_image": Mask(), "strength": 0.9},
        prepare=shrink_condition,
    ),
    Case(
        "qwen-image-edit-plus",
        "QwenImageEditPlusPipeline",
        EDIT,
        CALL | {"image": [Picture(salt=2), Picture(salt=3)]},
        prepare=shrink_condition,
    ),
    Case(
        "qwen-image-layered",
        "QwenImageLayeredPipeline",
        LAYERED,
        CALL | {"image": Picture(salt=2, mode="RGBA"), "layers": 2, "resolution": 640},
        pass_size=False,
        prepare=shrink_condition,
    ),
]
