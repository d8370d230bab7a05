"""Rows of autoencoders, all a few thousand weights large."""

from typing import Any

KL: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 32,
}
KL_EIGHT: dict[str, Any] = KL | {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (8, 8, 8, 8),
}
KL_FLOW: dict[str, Any] = KL | {
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "shift_factor": 0.0609,
    "scaling_factor": 1.5035,
}
QWEN_IMAGE: dict[str, Any] = {
    "base_dim": 12,
    "z_dim": 4,
    "dim_mult": [1, 2, 4],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True],
    "latents_mean": [0.0] * 4,
    "latents_std": [1.0] * 4,
}
DC: dict[str, Any] = {
    "in_channels": 3,
    "latent_channels": 4,
    "attention_head_dim": 2,
    "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
    "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
    "encoder_block_out_channels": (8, 8),
    "decoder_block_out_channels": (8, 8),
    "encoder_qkv_multiscales": ((), (5,)),
    "decoder_qkv_multiscales": ((), (5,)),
    "encoder_layers_per_block": (1, 1),
    "decoder_layers_per_block": (1, 1),
    "downsample_block_type": "conv",
    "upsample_block_type": "interpolate",
    "scaling_factor": 0.41407,
}
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
    "AutoencoderKL": KL,
    "AutoencoderKL/eight": KL_EIGHT,
    "AutoencoderKL/eight-flow": KL_EIGHT | {"shift_factor": 0.0609, "scaling_factor": 1.5035},
    "AutoencoderKL/ldm3d": KL | {"in_channels": 6, "out_channels": 6},
    "AutoencoderKL/sd3": KL_FLOW,
    "AutoencoderKL/flux": KL_FLOW,
    "AutoencoderKL/flow-16": KL_FLOW | {"latent_channels": 16},
    "AutoencoderKLFlux2": KL
    | {"block_out_channels": (8,), "latent_channels": 4}
    | {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)},
    "VQModel": {
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 3,
        "norm_num_groups": 4,
    },
    "AutoencoderKLTemporalDecoder": {
        "block_out_channels": (32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "latent_channels": 4,
    },
    "VQModel/movq": {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        "latent_channels": 4,
        "norm_num_groups": 8,
        "norm_type": "spatial",
        "num_vq_embeddings": 12,
        "vq_embed_dim": 4,
    },
    "VQModel/movq-eight": {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        "latent_channels": 4,
        "norm_num_groups": 8,
        "norm_type": "spatial",
        "num_vq_embeddings": 12,
        "vq_embed_dim": 4,
    },
    "VQModel/amused": {
        "block_out_channels": (8,),
        "latent_channels": 8,
        "norm_num_groups": 8,
        "num_vq_embeddings": 8,
        "sample_size": 8,
        "mid_block_add_attention": False,
        "lookup_from_codebook": True,
    },
    "VQModel/discrete": {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 3,
        "norm_num_groups": 4,
        "num_vq_embeddings": 12,
        "vq_embed_dim": 3,
    },
    "diffusers.pipelines.deprecated.wuerstchen.PaellaVQModel": {
        "bottleneck_blocks": 1,
        "num_vq_embeddings": 2,
        "embed_dim": 16,
    },
    "AutoencoderDC": DC,
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
    "AutoencoderOobleck": {
        "encoder_hidden_size": 6,
        "downsampling_ratios": [1, 2],
        "decoder_channels": 3,
        "decoder_input_channels": 3,
        "audio_channels": 2,
        "channel_multiples": [2, 4],
        "sampling_rate": 4,
    },
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
    "AutoencoderKLQwenImage/layered": QWEN_IMAGE
    | {"input_channels": 4, "z_dim": 8, "latents_mean": [0.0] * 8, "latents_std": [1.0] * 8},
    "AutoencoderKLQwenImage": QWEN_IMAGE,
}
