"""Rows of control networks, adapters and motion modules beside a U-Net."""

from typing import Any

from benchmarks.zoo.components.unets import ATTENTION_FIRST, UNET, XL

NOT_IN_CONTROL = ("sample_size", "out_channels", "up_block_types")
CONTROL: dict[str, Any] = {key: value for key, value in UNET.items() if key not in NOT_IN_CONTROL} | {
    "conditioning_embedding_out_channels": (4, 8),
}
XL_CONTROL: dict[str, Any] = {key: value for key, value in XL.items() if key not in NOT_IN_CONTROL} | {
    "conditioning_embedding_out_channels": (4, 8),
}
ADAPTER: dict[str, Any] = {
    "in_channels": 3,
    "channels": (8, 16),
    "num_res_blocks": 1,
    "downscale_factor": 2,
    "adapter_type": "full_adapter",
}
XS: dict[str, Any] = {
    "conditioning_embedding_out_channels": (4, 8),
    "block_out_channels": (8, 16),
    "base_block_out_channels": (8, 16),
    "cross_attention_dim": 32,
    "num_attention_heads": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "sample_size": 32,
    "max_norm_num_groups": 4,
    "use_linear_projection": False,
}
MOTION: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "motion_layers_per_block": 1,
    "motion_norm_num_groups": 4,
    "motion_num_attention_heads": 2,
}

ROWS: dict[str, dict[str, Any]] = {
    "MotionAdapter": MOTION,
    "MotionAdapter/pia": MOTION | {"conv_in_channels": 9},
    "MotionAdapter/xl": MOTION | {"use_motion_mid_block": False},
    "SparseControlNetModel": {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "cross_attention_dim": 32,
        "conditioning_embedding_out_channels": (4, 8),
        "attention_head_dim": 4,
        "motion_num_attention_heads": 2,
        "conditioning_channels": 4,
    },
    "ControlNetModel": CONTROL,
    "ControlNetModel/adapter": CONTROL | {"down_block_types": ATTENTION_FIRST["down_block_types"]},
    "ControlNetModel/second": CONTROL,
    "ControlNetModel/xl": XL_CONTROL,
    "ControlNetUnionModel": XL_CONTROL
    | {"num_control_type": 6, "num_trans_channel": 8, "num_trans_head": 2, "num_proj_channel": 8},
    "ControlNetXSAdapter": XS,
    "ControlNetXSAdapter/xl": XS
    | {"cross_attention_dim": 64, "transformer_layers_per_block": (1, 2), "num_attention_heads": (2, 4)}
    | {"use_linear_projection": True},
    "T2IAdapter": ADAPTER,
    "T2IAdapter/xl": ADAPTER,
}
