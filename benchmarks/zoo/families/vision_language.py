"""Pictures from transformers with Qwen3-VL or Mistral encoders (Krea, Ernie, Nucleus), and VisualCloze."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families import flux
from benchmarks.zoo.media import Picture

CFG: dict[str, Any] = {"guidance_scale": 4.0, "negative_prompt": "bad quality"}
QWEN3_VL: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "text_encoder": "Qwen3VLForConditionalGeneration",
    "processor": "Qwen3VLProcessor",
}

CASES = [
    Case(
        "krea2",
        "Krea2Pipeline",
        {"scheduler": "FlowMatchEulerDiscreteScheduler", "vae": "AutoencoderKLQwenImage"}
        | {"text_encoder": "Qwen3VLModel", "tokenizer": "Qwen2Tokenizer", "transformer": "Krea2Transformer2DModel"}
        | {"text_encoder_select_layers": (0, 1)},
        CFG | {"max_sequence_length": 32},
    ),
    Case(
        "ernie-image",
        "ErnieImagePipeline",
        {"scheduler": "FlowMatchEulerDiscreteScheduler", "vae": "AutoencoderKLFlux2"}
        | {"text_encoder": "Mistral3Model", "tokenizer": "Qwen2Tokenizer"}
        | {"transformer": "ErnieImageTransformer2DModel"},
        CFG | {"use_pe": False},
    ),
    Case(
        "nucleus-moe-image",
        "NucleusMoEImagePipeline",
        QWEN3_VL | {"vae": "AutoencoderKLQwenImage", "transformer": "NucleusMoEImageTransformer2DModel"},
        CFG | {"max_sequence_length": 400, "return_index": -1},
    ),
    Case(
        "qwen-image-2.1",
        "QwenImage21Pipeline",
        QWEN3_VL | {"vae": "AutoencoderKLQwenImage21", "transformer": "QwenImage21Transformer2DModel"},
        {"true_cfg_scale": 3.0, "negative_prompt": "bad quality"},
        size=(32, 64),
    ),
    Case(
        "visual-cloze-generation",
        "VisualClozeGenerationPipeline",
        flux.BASE | {"transformer": "FluxTransformer2DModel/fill", "resolution": 32},
        {
            "image": [[Picture((32, 32)), Picture((32, 32), salt=1)], [Picture((32, 32), salt=2), None]],
            "task_prompt": "Each row outlines a logical process",
            "max_sequence_length": 256,
        },
        prompt_argument="content_prompt",
        size=None,
    ),
    Case(
        "visual-cloze",
        "VisualClozePipeline",
        flux.BASE | {"transformer": "FluxTransformer2DModel/fill", "resolution": 32},
        {
            "image": [[Picture((32, 32)), Picture((32, 32), salt=1)], [Picture((32, 32), salt=2), None]],
            "task_prompt": "Each row outlines a logical process",
            "max_sequence_length": 256,
            "upsampling_height": 48,
            "upsampling_width": 48,
            "upsampling_strength": 0.6,
        },
        prompt_argument="content_prompt",
        size=None,
    ),
]
