"""Rows of autoencoders of pictures, a few thousand weights each."""

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
    "AutoencoderKLQwenImage21": {
        "base_dim": 8,
        "decoder_base_dim": 8,
        "z_dim": 16,
        "dim_mult": [1, 1, 1, 1, 1],
        "num_res_blocks": 1,
        "latents_mean": [0.0] * 16,
        "latents_std": [1.0] * 16,
    },
    "AutoencoderDC": DC,
    "AutoencoderKLQwenImage/layered": QWEN_IMAGE
    | {"input_channels": 4, "z_dim": 8, "latents_mean": [0.0] * 8, "latents_std": [1.0] * 8},
    "AutoencoderKLQwenImage": QWEN_IMAGE,
}
