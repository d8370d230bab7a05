"""Rows of transformers that denoise videos and sound."""

from typing import Any

KANDINSKY_5: dict[str, Any] = {
    "in_visual_dim": 4,
    "in_text_dim": 16,
    "in_text_dim2": 32,
    "time_dim": 32,
    "out_visual_dim": 4,
    "patch_size": (1, 2, 2),
    "model_dim": 48,
    "ff_dim": 64,
    "num_text_blocks": 1,
    "num_visual_blocks": 1,
    "axes_dims": (8, 8, 8),
}
WAN: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 256,
    "ffn_dim": 32,
    "num_layers": 2,
    "cross_attn_norm": True,
    "rope_max_seq_len": 32,
}
LTX: dict[str, Any] = {
    "in_channels": 8,
    "out_channels": 8,
    "num_attention_heads": 4,
    "attention_head_dim": 8,
    "cross_attention_dim": 32,
    "num_layers": 1,
    "caption_channels": 32,
}
COGVIDEOX: dict[str, Any] = {
    "num_attention_heads": 4,
    "attention_head_dim": 16,
    "in_channels": 4,
    "out_channels": 4,
    "time_embed_dim": 2,
    "text_embed_dim": 32,
    "num_layers": 1,
    "sample_width": 2,
    "sample_height": 2,
    "sample_frames": 9,
    "patch_size": 2,
    "temporal_compression_ratio": 4,
    "max_text_seq_length": 16,
    "use_rotary_positional_embeddings": True,
}

ROWS: dict[str, dict[str, Any]] = {
    "Kandinsky5Transformer3DModel": KANDINSKY_5,
    "Kandinsky5Transformer3DModel/conditioned": KANDINSKY_5 | {"visual_cond": True},
    "WanTransformer3DModel": WAN,
    "WanTransformer3DModel/second": WAN,
    "WanTransformer3DModel/i2v": WAN | {"in_channels": 36},
    "WanTransformer3DModel/i2v-second": WAN | {"in_channels": 36},
    "WanTransformer3DModel/i2v-clip": WAN | {"in_channels": 36, "image_dim": 32, "added_kv_proj_dim": 24},
    "WanTransformer3DModel/5b": WAN | {"in_channels": 48, "out_channels": 48},
    "WanVACETransformer3DModel": WAN | {"vace_layers": [0], "vace_in_channels": 96},
    "LTXVideoTransformer3DModel": LTX,
    "CogVideoXTransformer3DModel": COGVIDEOX,
    "CogVideoXTransformer3DModel/absolute": COGVIDEOX
    | {"use_rotary_positional_embeddings": False}
    | {"sample_width": 6, "sample_height": 4},
    "CogVideoXTransformer3DModel/image": COGVIDEOX | {"in_channels": 8},
    "StableAudioDiTModel": {
        "sample_size": 4,
        "in_channels": 3,
        "num_layers": 2,
        "attention_head_dim": 4,
        "num_attention_heads": 4,
        "num_key_value_attention_heads": 2,
        "out_channels": 3,
        "cross_attention_dim": 4,
        "time_proj_dim": 8,
        "global_states_input_dim": 8,
        "cross_attention_input_dim": 4,
    },
}
