"""Builders of text encoders whose classes or configurations are not found by name in transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.zoo.components.text_encoders import BERT, QWEN_VL
from benchmarks.zoo.components.tokenizers import VOCABULARY_SIZE

CLAP_TEXT: dict[str, Any] = BERT | {"hidden_size": 16, "num_attention_heads": 2, "pad_token_id": 1}


def _clap_text() -> Any:
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    return ClapTextModelWithProjection(ClapTextConfig(projection_dim=32, **CLAP_TEXT))


def _qwen_vl_text() -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLTextModel

    return Qwen2_5_VLTextModel(Qwen2_5_VLConfig(**QWEN_VL).text_config)


def _roberta_series() -> Any:
    from diffusers.pipelines.deprecated.alt_diffusion.modeling_roberta_series import (
        RobertaSeriesConfig,
        RobertaSeriesModelWithTransformation,
    )

    return RobertaSeriesModelWithTransformation(RobertaSeriesConfig(project_dim=32, pad_token_id=1, **BERT))


def _ldm_bert() -> Any:
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel

    return LDMBertModel(
        LDMBertConfig(
            vocab_size=VOCABULARY_SIZE,
            d_model=32,
            encoder_layers=2,
            encoder_ffn_dim=37,
            encoder_attention_heads=4,
            head_dim=8,
        )
    )


def _chat_glm() -> Any:
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    return ChatGLMModel(
        ChatGLMConfig(
            num_layers=2,
            padded_vocab_size=VOCABULARY_SIZE,
            hidden_size=16,
            ffn_hidden_size=32,
            kv_channels=8,
            num_attention_heads=2,
            multi_query_attention=False,
            rmsnorm=True,
            post_layer_norm=True,
            add_qkv_bias=True,
            seq_length=512,
            original_rope=True,
        )
    )


def _multilingual_clip() -> Any:
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

    return MultilingualCLIP(MCLIPConfig(numDims=32, transformerDimensions=32, **BERT))


BUILDERS: dict[str, Callable[[], Any]] = {
    "ChatGLMModel": _chat_glm,
    "ClapTextModelWithProjection": _clap_text,
    "LDMBertModel": _ldm_bert,
    "MultilingualCLIP": _multilingual_clip,
    "Qwen2_5_VLTextModel": _qwen_vl_text,
    "RobertaSeriesModelWithTransformation": _roberta_series,
}
