"""Cosmos 1, 2 and 2.5: text, image and video to world; the guardrail is replaced by one that lets all pass."""

import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

ONE: dict[str, Any] = {
    "scheduler": "EDMEulerScheduler/cosmos",
    "vae": "AutoencoderKLCosmos",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "CosmosTransformer3DModel",
    "safety_checker": "CosmosSafetyChecker",
}
TWO = ONE | {
    "scheduler": "FlowMatchEulerDiscreteScheduler/karras",
    "vae": "AutoencoderKLWan",
    "transformer": "CosmosTransformer3DModel/16",
}
CALL: dict[str, Any] = {"max_sequence_length": 32, "guidance_scale": 3.0, "negative_prompt": "bad quality"}
VIDEO = CALL | {"num_frames": 9}


def supply_resize(pipeline: Any) -> None:
    """Give the transformer's module the one function of torchvision that it calls, where that is missing."""
    import torch

    module = sys.modules[type(pipeline.transformer).__module__]

    def resize(mask: torch.Tensor, size: list[int], interpolation: Any = None) -> torch.Tensor:
        return torch.nn.functional.interpolate(mask, size, mode="nearest")

    if not hasattr(module, "transforms"):
        modes = SimpleNamespace(NEAREST="nearest")
        functional = SimpleNamespace(resize=resize)
        stand_in = SimpleNamespace(functional=functional, InterpolationMode=modes)
        module.transforms = stand_in  # type: ignore[attr-defined]


CosmosCase = partial(Case, prepare=supply_resize)

CASES = [
    CosmosCase("cosmos-text-to-world", "CosmosTextToWorldPipeline", ONE, VIDEO),
    CosmosCase(
        "cosmos-video-to-world",
        "CosmosVideoToWorldPipeline",
        ONE | {"transformer": "CosmosTransformer3DModel/conditioned"},
        VIDEO | {"image": Picture()},
    ),
    CosmosCase("cosmos2-text-to-image", "Cosmos2TextToImagePipeline", TWO, CALL),
    CosmosCase(
        "cosmos2-video-to-world",
        "Cosmos2VideoToWorldPipeline",
        TWO | {"transformer": "CosmosTransformer3DModel/17"},
        VIDEO | {"image": Picture()},
    ),
    CosmosCase(
        "cosmos2.5-predict",
        "Cosmos2_5_PredictBasePipeline",
        TWO
        | {"text_encoder": "Qwen2_5_VLForConditionalGeneration", "tokenizer": "Qwen2Tokenizer"}
        | {"transformer": "CosmosTransformer3DModel/2.5", "scheduler": "UniPCMultistepScheduler/flow"},
        VIDEO,
    ),
]
