"""Builders of image encoders and of the processors in front of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.zoo.components.tokenizers import CHAT_TEMPLATE, clip, qwen

IMAGE_SIZE = 32
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": IMAGE_SIZE,
    "patch_size": 8,
    "projection_dim": 32,
}
SQUARE = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}


def _model(model: str, configuration: str, arguments: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, model)(getattr(transformers, configuration)(**arguments))


def _processor(name: str, arguments: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, f"{name}Pil")(**arguments)


def _paint_by_example() -> Any:
    from diffusers.pipelines.deprecated.paint_by_example import PaintByExampleImageEncoder
    from transformers import CLIPVisionConfig

    return PaintByExampleImageEncoder(CLIPVisionConfig(**VISION), proj_size=32)


def _clip_processor() -> Any:
    from transformers import CLIPProcessor

    return CLIPProcessor(_processor(*PROCESSORS["CLIPImageProcessor"]), clip())


def _qwen_vl_processor(parent: str = "Qwen2VLProcessor", **patches: int) -> Any:
    """A Qwen processor without its video half, which cannot be made where torchvision is missing."""
    import transformers
    from transformers import Qwen2VLImageProcessorPil
    from transformers.processing_utils import ProcessorMixin

    class PictureOnlyProcessor(getattr(transformers, parent)):  # type: ignore[misc]
        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str | None = None) -> None:
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids(
                [self.image_token, self.video_token]
            )
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

    pictures = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 84, **patches)
    return PictureOnlyProcessor(pictures, qwen(), CHAT_TEMPLATE)


CONFIGURED: dict[str, tuple[str, dict[str, Any]]] = {
    "CLIPVisionModelWithProjection": ("CLIPVisionConfig", VISION),
    "CLIPVisionModelWithProjection/224": ("CLIPVisionConfig", VISION | {"image_size": 224, "patch_size": 32}),
    "CLIPVisionModel": ("CLIPVisionConfig", VISION),
    "Siglip2VisionModel": ("Siglip2VisionConfig", VISION | {"num_patches": 64}),
    "SiglipVisionModel": ("SiglipVisionConfig", VISION),
}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "CLIPImageProcessor": ("CLIPImageProcessor", {"size": IMAGE_SIZE, "crop_size": IMAGE_SIZE}),
    "Siglip2ImageProcessor": ("Siglip2ImageProcessor", {"patch_size": 8, "max_num_patches": 64}),
    "SiglipImageProcessor": ("SiglipImageProcessor", {"size": SQUARE}),
}

BUILDERS: dict[str, Callable[[], Any]] = {
    **{
        key: partial(_model, key.partition("/")[0], configuration, arguments)
        for key, (configuration, arguments) in CONFIGURED.items()
    },
    **{key: partial(_processor, name, arguments) for key, (name, arguments) in PROCESSORS.items()},
    "Qwen2VLProcessor": _qwen_vl_processor,
    "Qwen3VLProcessor": partial(_qwen_vl_processor, "Qwen3VLProcessor", patch_size=16),
    "CLIPProcessor": _clip_processor,
    "PaintByExampleImageEncoder": _paint_by_example,
}
