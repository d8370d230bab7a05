"""Rows of autoencoders of videos."""

from typing import Any

HUNYUAN_VIDEO: dict[str, Any] = {
    "spatial_compression_ratio": 8,
    "temporal_compression_ratio": 4,
    "latent_channels": 4,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
WAN: dict[str, Any] = {
    "base_dim": 8,
    "z_dim": 16,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
}
LTX: dict[str, Any] = {
    "latent_channels": 8,
    "block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8),
    "layers_per_block": (1, 1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1, 1),
    "spatio_temporal_scaling": (True, True, False, False),
    "decoder_spatio_temporal_scaling": (True, True, False, False),
    "patch_size": 1,
    "patch_size_t": 1,
    "encoder_causal": True,
    "decoder_causal": False,
}
COGVIDEOX: dict[str, Any] = {
    "down_block_types": ("CogVideoXDownBlock3D",) * 4,
    "up_block_types": ("CogVideoXUpBlock3D",) * 4,
    "block_out_channels": (8, 8, 8, 8),
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "temporal_compression_ratio": 4,
}

ROWS: dict[str, dict[str, Any]] = {
    "AutoencoderKLTemporalDecoder": {
        "block_out_channels": (32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "latent_channels": 4,
    },
    "AutoencoderKLHunyuanVideo15": {
        "latent_channels": 4,
        "block_out_channels": (16, 16),
        "layers_per_block": 1,
        "spatial_compression_ratio": 4,
        "temporal_compression_ratio": 2,
        "downsample_match_channel": False,
        "upsample_match_channel": False,
    },
    "AutoencoderKLCosmos": {
        "latent_channels": 4,
        "encoder_block_out_channels": (8, 8, 8, 8),
        "decode_block_out_channels": (8, 8, 8, 8),
        "attention_resolutions": (8,),
        "resolution": 64,
        "spatial_compression_ratio": 4,
        "temporal_compression_ratio": 4,
    },
    "AutoencoderKLAllegro": {
        "down_block_types": ("AllegroDownBlock3D",) * 4,
        "up_block_types": ("AllegroUpBlock3D",) * 4,
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "AutoencoderKLMochi": {
        "latent_channels": 12,
        "encoder_block_out_channels": (32, 32, 32, 32),
        "decoder_block_out_channels": (32, 32, 32, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
    },
    "AutoencoderKLMagvit": {
        "latent_channels": 4,
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "spatial_group_norm": False,
    },
    "AutoencoderKLLTX2Video": {
        "latent_channels": 4,
        "block_out_channels": (8,),
        "down_block_types": ("LTX2VideoDownBlock3D",),
        "decoder_block_out_channels": (8,),
        "layers_per_block": (1, 1),
        "decoder_layers_per_block": (1, 1),
        "spatio_temporal_scaling": (True,),
        "decoder_spatio_temporal_scaling": (True,),
        "decoder_inject_noise": (False, False),
        "downsample_type": ("spatial",),
        "upsample_type": ("spatiotemporal",),
        "upsample_residual": (False,),
        "upsample_factor": (1,),
        "patch_size": 1,
        "patch_size_t": 1,
        "decoder_causal": False,
    },
    "AutoencoderKLLTX2Audio": {
        "base_channels": 4,
        "ch_mult": (1,),
        "num_res_blocks": 1,
        "resolution": 32,
        "latent_channels": 2,
        "mel_bins": 8,
    },
    "AutoencoderKLHunyuanVideo": HUNYUAN_VIDEO,
    "AutoencoderKLWan": WAN,
    "AutoencoderKLWan/2.2": WAN
    | {"z_dim": 48, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48, "in_channels": 12, "out_channels": 12}
    | {"is_residual": True, "patch_size": 2, "scale_factor_spatial": 16, "decoder_base_dim": 8}
    | {"dim_mult": [1, 1, 1, 1], "temperal_downsample": [False, True, True], "scale_factor_temporal": 4},
    "AutoencoderKLLTXVideo": LTX,
    "AutoencoderKLLTXVideo/timestep": LTX | {"timestep_conditioning": True},
    "AutoencoderKLLTXVideo/noise": LTX
    | {"timestep_conditioning": True, "decoder_inject_noise": (True, False, False, False, False)},
    "AutoencoderKLCogVideoX": COGVIDEOX,
    "AutoencoderKLHunyuanImage": {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": (32, 64, 64, 64),
        "layers_per_block": 1,
        "scaling_factor": 0.476986,
        "spatial_compression_ratio": 8,
        "sample_size": 128,
    },
    "AutoencoderKLHunyuanImageRefiner": {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": (16, 32, 32, 32),
        "layers_per_block": 1,
        "scaling_factor": 0.476986,
        "spatial_compression_ratio": 8,
        "temporal_compression_ratio": 2,
    },
}
