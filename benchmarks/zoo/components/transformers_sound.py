"""Rows of transformers that denoise sound."""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "StableAudio3DiTModel": {
        "io_channels": 8,
        "embed_dim": 32,
        "depth": 2,
        "num_heads": 4,
        "cond_token_dim": 16,
        "global_cond_dim": 16,
        "local_add_cond_dim": 9,
        "timestep_features_dim": 16,
        "ff_mult": 2,
        "num_memory_tokens": 3,
        "use_differential_attention": False,
    },
    "AceStepTransformer1DModel": {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "in_channels": 24,
        "audio_acoustic_hidden_dim": 8,
        "sliding_window": 16,
    },
    "LongCatAudioDiTTransformer": {
        "dit_dim": 32,
        "dit_depth": 2,
        "dit_heads": 4,
        "dit_text_dim": 32,
        "latent_dim": 8,
    },
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
