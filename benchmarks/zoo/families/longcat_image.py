"""LongCat-Image, for text and for editing."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families.qwen_image import shrink_condition
from benchmarks.zoo.media import Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flow-16",
    "text_encoder": "Qwen2_5_VLForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "text_processor": "Qwen2VLProcessor",
    "transformer": "LongCatImageTransformer2DModel",
}
CALL: dict[str, Any] = {"guidance_scale": 4.0, "negative_prompt": "bad quality"}
SHORT_TEXT = {"tokenizer_max_length": 64}

CASES = [
    Case(
        "longcat-image",
        "LongCatImagePipeline",
        BASE,
        CALL | {"enable_prompt_rewrite": False},
        attributes=SHORT_TEXT,
    ),
    Case(
        "longcat-image-no-cfg",
        "LongCatImagePipeline",
        BASE,
        {"guidance_scale": 1.0, "enable_prompt_rewrite": False},
        attributes=SHORT_TEXT,
    ),
    Case(
        "longcat-image-edit",
        "LongCatImageEditPipeline",
        BASE,
        CALL | {"image": Picture(salt=2)},
        pass_size=False,
        attributes=SHORT_TEXT,
        prepare=shrink_condition,
    ),
]
