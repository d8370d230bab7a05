"""More text-to-image transformers: AuraFlow, CogView, Ovis, PRX, Bria, HiDream."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

FLOW: dict[str, Any] = {"scheduler": "FlowMatchEulerDiscreteScheduler", "vae": "AutoencoderKL/flux"}
CFG: dict[str, Any] = {"guidance_scale": 4.0, "negative_prompt": "bad quality"}
AURA = FLOW | {
    "vae": "AutoencoderKL",
    "text_encoder": "UMT5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "AuraFlowTransformer2DModel",
}
COGVIEW_4 = FLOW | {
    "vae": "AutoencoderKL/eight",
    "text_encoder": "GlmModel",
    "tokenizer": "LlamaTokenizer/padded-left",
    "transformer": "CogView4Transformer2DModel",
}
BRIA = FLOW | {
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "BriaTransformer2DModel",
}
FIBO: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler/dynamic",
    "vae": "AutoencoderKLWan/2.2",
    "text_encoder": "SmolLM3ForCausalLM",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "BriaFiboTransformer2DModel",
}
PRX = FLOW | {
    "text_encoder": "Gemma2Model",
    "tokenizer": "GemmaTokenizer",
    "transformer": "PRXTransformer2DModel",
}
HIDREAM = FLOW | {
    "vae": "AutoencoderKL/eight-flow",
    "text_encoder": "CLIPTextModelWithProjection",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "tokenizer_2": "CLIPTokenizer",
    "text_encoder_3": "T5EncoderModel",
    "tokenizer_3": "T5Tokenizer",
    "text_encoder_4": "LlamaForCausalLM",
    "tokenizer_4": "LlamaTokenizer",
    "transformer": "HiDreamImageTransformer2DModel",
}

CASES = [
    Case("aura-flow", "AuraFlowPipeline", AURA, CFG | {"max_sequence_length": 32}),
    Case(
        "cogview3-plus",
        "CogView3PlusPipeline",
        {
            "scheduler": "CogVideoXDDIMScheduler",
            "vae": "AutoencoderKL/eight",
            "text_encoder": "T5EncoderModel",
            "tokenizer": "T5Tokenizer",
            "transformer": "CogView3PlusTransformer2DModel",
        },
        CFG | {"max_sequence_length": 16},
    ),
    Case("cogview4", "CogView4Pipeline", COGVIEW_4, CFG | {"max_sequence_length": 32}),
    Case(
        "cogview4-control",
        "CogView4ControlPipeline",
        COGVIEW_4 | {"transformer": "CogView4Transformer2DModel/control"},
        CFG | {"max_sequence_length": 32, "control_image": Picture(salt=5)},
        global_random=True,
    ),
    Case(
        "ovis-image",
        "OvisImagePipeline",
        FLOW
        | {"vae": "AutoencoderKL/flow-16", "text_encoder": "Qwen3Model", "tokenizer": "Qwen2Tokenizer"}
        | {"transformer": "OvisImageTransformer2DModel"},
        CFG | {"max_sequence_length": 48},
    ),
    Case("prx", "PRXPipeline", PRX, CFG | {"use_resolution_binning": False, "tokenizer_max_length": 32}),
    Case(
        "prx-pixel",
        "PRXPixelPipeline",
        {key: PRX[key] for key in ("scheduler", "text_encoder", "tokenizer")}
        | {"transformer": "PRXTransformer2DModel/pixel", "prompt_max_tokens": 32},
        CFG | {"use_resolution_binning": False},
    ),
    Case("bria", "BriaPipeline", BRIA, CFG | {"max_sequence_length": 32}),
    Case("bria-fibo", "BriaFiboPipeline", FIBO, CFG | {"max_sequence_length": 64}),
    Case(
        "bria-fibo-edit",
        "BriaFiboEditPipeline",
        FIBO,
        CFG | {"max_sequence_length": 64, "image": Picture(), "_auto_resize": False},
        prompt_format='{"edit_instruction": "%s"}',
    ),
    Case(
        "hidream",
        "HiDreamImagePipeline",
        HIDREAM,
        CFG | {"max_sequence_length": 32},
        attributes={"default_sample_size": 8},
    ),
]
