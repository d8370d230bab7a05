"""Builders of text encoders: a transformers class, its configuration class and a small configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.zoo.components.tokenizers import QWEN_SPECIAL, VOCABULARY_SIZE

CLIP: dict[str, Any] = {
    "bos_token_id": VOCABULARY_SIZE - 2,
    "eos_token_id": VOCABULARY_SIZE - 1,
    "pad_token_id": VOCABULARY_SIZE - 1,
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "hidden_act": "gelu",
    "projection_dim": 32,
}
T5: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 37,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
QWEN_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "bos_token_id": QWEN_SPECIAL.index("<|endoftext|>"),
    "eos_token_id": QWEN_SPECIAL.index("<|im_end|>"),
}
QWEN_VL: dict[str, Any] = {
    "text_config": QWEN_TEXT
    | {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1000000.0}},
    "vision_config": {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
    },
    "vision_start_token_id": QWEN_SPECIAL.index("<|vision_start|>"),
    "vision_end_token_id": QWEN_SPECIAL.index("<|vision_end|>"),
    "image_token_id": QWEN_SPECIAL.index("<|image_pad|>"),
    "video_token_id": QWEN_SPECIAL.index("<|video_pad|>"),
}
BERT: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
GEMMA: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
LLAMA: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 3,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MISTRAL3: dict[str, Any] = {
    "text_config": LLAMA | {"model_type": "mistral", "sliding_window": None},
    "vision_config": {
        "model_type": "pixtral",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
    },
    "image_token_index": QWEN_SPECIAL.index("<|image_pad|>"),
}
QWEN2_VL: dict[str, Any] = QWEN_VL | {
    "vision_config": {"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2}
}
LLAVA: dict[str, Any] = {
    "text_config": LLAMA,
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "image_size": 32,
        "patch_size": 8,
        "projection_dim": 16,
    },
    "image_token_index": 101,
    "pad_token_id": 3,
}
QWEN3_VL: dict[str, Any] = {
    "text_config": QWEN_TEXT
    | {"head_dim": 8}
    | {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1000000.0}},
    "vision_config": {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 16,
    },
    "vision_start_token_id": QWEN_SPECIAL.index("<|vision_start|>"),
    "vision_end_token_id": QWEN_SPECIAL.index("<|vision_end|>"),
    "image_token_id": QWEN_SPECIAL.index("<|image_pad|>"),
    "video_token_id": QWEN_SPECIAL.index("<|video_pad|>"),
}
GEMMA3: dict[str, Any] = {
    "text_config": GEMMA,
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "image_size": 32,
        "patch_size": 8,
    },
    "mm_tokens_per_image": 4,
}
HIFI_GAN: dict[str, Any] = {
    "model_in_dim": 8,
    "sampling_rate": 16000,
    "upsample_initial_channel": 16,
    "upsample_rates": [2, 2],
    "upsample_kernel_sizes": [4, 4],
    "resblock_kernel_sizes": [3, 7],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
    "normalize_before": False,
}


def _make(model: str, configuration: str, arguments: dict[str, Any]) -> Any:
    import transformers

    return getattr(transformers, model)(getattr(transformers, configuration)(**arguments))


CONFIGURED: dict[str, tuple[str, dict[str, Any]]] = {
    "CLIPTextModel": ("CLIPTextConfig", CLIP),
    "CLIPTextModelWithProjection": ("CLIPTextConfig", CLIP),
    "T5EncoderModel": ("T5Config", T5),
    "T5EncoderModel/64": ("T5Config", T5 | {"d_model": 64}),
    "Qwen2_5_VLForConditionalGeneration": ("Qwen2_5_VLConfig", QWEN_VL),
    "T5EncoderModel/byte": ("T5Config", T5 | {"vocab_size": 384}),
    "UMT5EncoderModel": ("UMT5Config", T5),
    "BertModel": ("BertConfig", BERT),
    "Gemma2Model": ("Gemma2Config", GEMMA),
    "GemmaModel": ("GemmaConfig", GEMMA),
    "GlmModel": ("GlmConfig", LLAMA | {"head_dim": 8}),
    "SmolLM3ForCausalLM": ("SmolLM3Config", LLAMA | {"head_dim": 8}),
    "LlamaModel": ("LlamaConfig", LLAMA),
    "LlamaForCausalLM": ("LlamaConfig", LLAMA),
    "Mistral3ForConditionalGeneration": ("Mistral3Config", MISTRAL3),
    "Qwen3ForCausalLM": ("Qwen3Config", QWEN_TEXT | {"head_dim": 8}),
    "CLIPTextModelWithProjection/8": ("CLIPTextConfig", CLIP | {"hidden_size": 8, "projection_dim": 8}),
    "Qwen2VLForConditionalGeneration": ("Qwen2VLConfig", QWEN2_VL),
    "LlavaForConditionalGeneration": ("LlavaConfig", LLAVA),
    "Qwen3VLModel": ("Qwen3VLConfig", QWEN3_VL),
    "Qwen3VLForConditionalGeneration": ("Qwen3VLConfig", QWEN3_VL),
    "Mistral3Model": ("Mistral3Config", MISTRAL3),
    "Gemma3ForConditionalGeneration": ("Gemma3Config", GEMMA3),
    "SpeechT5HifiGan": ("SpeechT5HifiGanConfig", HIFI_GAN),
    "Qwen3Model": ("Qwen3Config", QWEN_TEXT | {"head_dim": 8}),
}


BUILDERS: dict[str, Callable[[], Any]] = {
    key: partial(_make, key.partition("/")[0], configuration, arguments)
    for key, (configuration, arguments) in CONFIGURED.items()
}
