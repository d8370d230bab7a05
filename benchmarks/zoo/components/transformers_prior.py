"""Rows of transformers that denoise embeddings, classes and discrete codes."""

from typing import Any

SHAP_E: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "embedding_dim": 32,
    "num_embeddings": 32,
    "embedding_proj_dim": 32,
    "time_embed_dim": 128,
    "num_layers": 1,
    "clip_embed_dim": 64,
    "additional_embeddings": 0,
    "time_embed_act_fn": "gelu",
    "norm_in_type": "layer",
    "encoder_hid_proj_type": None,
    "added_emb_type": None,
}

ROWS: dict[str, dict[str, Any]] = {
    "PriorTransformer": {"num_attention_heads": 2, "attention_head_dim": 12, "embedding_dim": 32, "num_layers": 1},
    "PriorTransformer/shap-e": SHAP_E,
    "PriorTransformer/shap-e-image": SHAP_E | {"embedding_proj_norm_type": "layer"},
    "Transformer2DModel/discrete": {
        "attention_bias": True,
        "cross_attention_dim": 32,
        "attention_head_dim": 12,
        "num_attention_heads": 2,
        "num_vector_embeds": 12,
        "num_embeds_ada_norm": 12,
        "norm_num_groups": 4,
        "sample_size": 12,
        "activation_fn": "geglu-approximate",
    },
    "DiTTransformer2DModel": {
        "sample_size": 16,
        "num_layers": 2,
        "patch_size": 4,
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "out_channels": 8,
        "num_embeds_ada_norm": 1000,
    },
}
