"""Rows of U-Nets for pictures and videos."""

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
ATTENTION_FIRST: dict[str, Any] = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
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
VIDEO_UNET: dict[str, Any] = {
    "sample_size": 32,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
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
    "UNet2DConditionModel/stable-unclip": UNET
    | {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 64},
    "UNet3DConditionModel": VIDEO_UNET,
    "I2VGenXLUNet": VIDEO_UNET | {"num_attention_heads": 2},
    "UNetSpatioTemporalConditionModel": {
        "sample_size": 32,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        "cross_attention_dim": 32,
        "num_attention_heads": 4,
        "projection_class_embeddings_input_dim": 96,
        "addition_time_embed_dim": 32,
    },
    "UNet2DModel": PIXELS,
    "UNet2DModel/32": PIXELS | {"sample_size": 32},
    "UNet2DModel/classes": PIXELS | {"num_class_embeds": 10},
    "UNet2DModel/latent": PIXELS | {"in_channels": 3, "out_channels": 3, "sample_size": 16},
    "UNet2DModel/super-resolution": PIXELS | {"in_channels": 6},
    "UNet1DModel": {
        "block_out_channels": (32, 32, 64),
        "extra_in_channels": 64,
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
    "UNet2DConditionModel/gligen": UNET | {"attention_type": "gated"},
    "UNet2DConditionModel/gligen-text-image": UNET | {"attention_type": "gated-text-image"},
    "UNet2DConditionModel/kolors": XL | {"cross_attention_dim": 16, "projection_class_embeddings_input_dim": 64},
    "UNet2DConditionModel/sound": UNET
    | {"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 32}
    | {"class_embeddings_concat": True, "cross_attention_dim": (8, 16), "layers_per_block": 1},
    "UNet2DConditionModel/xl": XL,
    "UNet2DConditionModel/xl-lcm": XL | {"time_cond_proj_dim": 8},
    "UNet2DConditionModel/xl-pix2pix": XL | {"in_channels": 8},
    "UNet2DConditionModel/xl-refiner": XL
    | {"cross_attention_dim": 32, "projection_class_embeddings_input_dim": 72},
}
