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
KL_FLOW: dict[str, Any] = KL | {
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "shift_factor": 0.0609,
    "scaling_factor": 1.5035,
}

ROWS: dict[str, dict[str, Any]] = {
    "AutoencoderKL": KL,
    "AutoencoderKL/sd3": KL_FLOW,
    "AutoencoderKL/flux": KL_FLOW,
    "AutoencoderKL/zimage": KL_FLOW | {"latent_channels": 16},
    "AutoencoderKLQwenImage": {
        "base_dim": 12,
        "z_dim": 4,
        "dim_mult": [1, 2, 4],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True],
        "latents_mean": [0.0] * 4,
        "latents_std": [1.0] * 4,
    },
}
