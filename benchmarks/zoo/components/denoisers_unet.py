"""Rows of U-Nets and of what is attached to them."""

from typing import Any

UNET: dict[str, Any] = {
    "sample_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}
XL: dict[str, Any] = UNET | {
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "transformer_layers_per_block": (1, 2),
    "projection_class_embeddings_input_dim": 80,
    "cross_attention_dim": 64,
}
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
ATTENTION_FIRST: dict[str, Any] = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
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
PIXELS: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
IF: dict[str, Any] = {
    "sample_size": 32,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "in_channels": 3,
    "out_channels": 6,
    "cross_attention_dim": 32,
    "encoder_hid_dim": 32,
    "attention_head_dim": 8,
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 2,
    "cross_attention_norm": "group_norm",
    "resnet_time_scale_shift": "scale_shift",
    "act_fn": "gelu",
}

ROWS: dict[str, dict[str, Any]] = {
    "UNet2DConditionModel": UNET,
    "UNet2DConditionModel/inpaint": UNET | {"in_channels": 9},
    "UNet2DConditionModel/depth": UNET | {"in_channels": 5},
    "UNet2DConditionModel/pix2pix": UNET | {"in_channels": 8},
    "UNet2DConditionModel/latent-upscale": UNET | {"in_channels": 8, "out_channels": 5, "time_cond_proj_dim": 160},
    "UNet2DConditionModel/upscale": UNET | {"in_channels": 7, "class_embed_type": None, "num_class_embeds": 1000},
    "UNet2DConditionModel/adapter": UNET | ATTENTION_FIRST,
    "UNet2DConditionModel/xs": UNET | {"layers_per_block": 2},
    "UNet2DConditionModel/xl-xs": XL | {"layers_per_block": 2},
    "UNet2DConditionModel/xl-adapter": XL | ATTENTION_FIRST,
    "UNet2DConditionModel/lcm": UNET | {"time_cond_proj_dim": 8},
    "UNet2DConditionModel/intrinsics": UNET | {"in_channels": 12, "out_channels": 8},
    "UNet2DConditionModel/if": IF,
    "UNet2DConditionModel/if-upscale": IF
    | {"in_channels": 6, "class_embed_type": "timestep", "mid_block_scale_factor": 1.414}
    | {"time_embedding_act_fn": "gelu", "time_embedding_dim": 32, "layers_per_block": (1, 2)},
    "UNet2DModel": PIXELS,
    "UNet2DModel/classes": PIXELS | {"num_class_embeds": 10},
    "UNet2DModel/latent": PIXELS | {"in_channels": 3, "out_channels": 3, "sample_size": 16},
    "UNet2DModel/super-resolution": PIXELS | {"in_channels": 6},
    "UNet1DModel": {
        "block_out_channels": (32, 32, 64),
        "extra_in_channels": 16,
        "sample_size": 512,
        "sample_rate": 16000,
        "in_channels": 2,
        "out_channels": 2,
        "flip_sin_to_cos": True,
        "use_timestep_embedding": False,
        "time_embedding_type": "fourier",
        "mid_block_type": "UNetMidBlock1D",
        "down_block_types": ("DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D"),
        "up_block_types": ("AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip"),
    },
    "UNet2DConditionModel/xl": XL,
    "UNet2DConditionModel/xl-lcm": XL | {"time_cond_proj_dim": 8},
    "UNet2DConditionModel/xl-pix2pix": XL | {"in_channels": 8},
    "UNet2DConditionModel/xl-refiner": XL
    | {"cross_attention_dim": 32, "projection_class_embeddings_input_dim": 72},
    "ControlNetModel": CONTROL,
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
