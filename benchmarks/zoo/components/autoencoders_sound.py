"""Rows of autoencoders of sound."""

from typing import Any

from benchmarks.zoo.components.autoencoders import KL

ROWS: dict[str, dict[str, Any]] = {
    "AutoencoderKL/mel": KL | {"in_channels": 1, "out_channels": 1},
    "AutoencoderOobleck/8": {
        "encoder_hidden_size": 6,
        "downsampling_ratios": [1, 2],
        "decoder_channels": 3,
        "decoder_input_channels": 8,
        "audio_channels": 2,
        "channel_multiples": [2, 4],
        "sampling_rate": 4,
    },
    "AutoencoderSAME": {
        "patch_size": 2,
        "encoder_channels": 8,
        "encoder_c_mults": (2,),
        "encoder_strides": (2,),
        "encoder_transformer_depths": (1,),
        "latent_dim": 8,
        "use_differential_attention": False,
        "dim_heads": 4,
        "ff_mult": 2,
        "sampling_rate": 16,
    },
    "LongCatAudioDiTVae": {
        "channels": 8,
        "c_mults": [1, 2],
        "strides": [2],
        "latent_dim": 8,
        "encoder_latent_dim": 16,
        "downsampling_ratio": 2,
        "sample_rate": 24000,
    },
    "AutoencoderOobleck": {
        "encoder_hidden_size": 6,
        "downsampling_ratios": [1, 2],
        "decoder_channels": 3,
        "decoder_input_channels": 3,
        "audio_channels": 2,
        "channel_multiples": [2, 4],
        "sampling_rate": 4,
    },
}
