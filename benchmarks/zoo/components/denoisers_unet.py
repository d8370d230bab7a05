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
KANDINSKY: dict[str, Any] = IF | {
    "in_channels": 4,
    "out_channels": 8,
    "addition_embed_type": "text_image",
    "addition_embed_type_num_heads": 64,
    "encoder_hid_dim_type": "text_image_proj",
    "attention_head_dim": 4,
    "cross_attention_norm": None,
    "act_fn": "silu",
}
KANDINSKY_22: dict[str, Any] = KANDINSKY | {
    "addition_embed_type": "image",
    "encoder_hid_dim_type": "image_proj",
}
UNCLIP: dict[str, Any] = IF | {
    "encoder_hid_dim": None,
    "addition_embed_type": None,
    "attention_head_dim": 4,
    "class_embed_type": "identity",
    "cross_attention_norm": None,
    "act_fn": "silu",
}
UNCLIP_UPSCALE: dict[str, Any] = {
    "sample_size": 64,
    "layers_per_block": 1,
    "down_block_types": ("ResnetDownsampleBlock2D",) * 2,
    "up_block_types": ("ResnetUpsampleBlock2D",) * 2,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "in_channels": 6,
    "out_channels": 3,
}
CASCADE: dict[str, Any] = {
    "timestep_ratio_embedding_dim": 8,
    "patch_size": 1,
    "conditioning_dim": 32,
    "block_out_channels": (16, 16),
    "num_attention_heads": (2, 2),
    "down_num_layers_per_block": (1, 1),
    "up_num_layers_per_block": (1, 1),
    "clip_text_pooled_in_channels": 32,
    "dropout": (0.0, 0.0),
    "timestep_conditioning_type": ("sca",),
}
MOTION: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "motion_layers_per_block": 1,
    "motion_norm_num_groups": 4,
    "motion_num_attention_heads": 2,
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
    "UNet2DConditionModel/if": IF,
    "UNet2DConditionModel/if-upscale": IF
    | {"in_channels": 6, "class_embed_type": "timestep", "mid_block_scale_factor": 1.414}
    | {"time_embedding_act_fn": "gelu", "time_embedding_dim": 32, "layers_per_block": (1, 2)},
    "UNet2DConditionModel/kandinsky": KANDINSKY,
    "UNet2DConditionModel/kandinsky-inpaint": KANDINSKY | {"in_channels": 9},
    "UNet2DConditionModel/kandinsky-2.2": KANDINSKY_22,
    "UNet2DConditionModel/kandinsky-2.2-inpaint": KANDINSKY_22 | {"in_channels": 9},
    "UNet2DConditionModel/kandinsky-2.2-control": KANDINSKY_22
    | {"in_channels": 8, "addition_embed_type": "image_hint"},
    "UNet2DConditionModel/unclip": UNCLIP,
    "UNet2DConditionModel/stable-unclip": UNET
    | {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 64},
    "UNet2DModel/unclip": UNCLIP_UPSCALE,
    "UNet2DModel/unclip-last": UNCLIP_UPSCALE,
    "Kandinsky3UNet": {
        "time_embedding_dim": 4,
        "groups": 2,
        "attention_head_dim": 4,
        "layers_per_block": 3,
        "block_out_channels": (8, 16),
        "cross_attention_dim": 4,
        "encoder_hid_dim": 32,
    },
    "StableCascadeUNet/prior": CASCADE
    | {"in_channels": 4, "out_channels": 4, "clip_text_in_channels": 32, "clip_image_in_channels": 32},
    "StableCascadeUNet": CASCADE | {"in_channels": 4, "out_channels": 4, "effnet_in_channels": 4},
    "diffusers.pipelines.deprecated.wuerstchen.WuerstchenPrior": {
        "c_in": 4,
        "c": 8,
        "depth": 2,
        "c_cond": 32,
        "c_r": 8,
        "nhead": 2,
    },
    "diffusers.pipelines.deprecated.wuerstchen.WuerstchenDiffNeXt": {
        "c_cond": 32,
        "c_hidden": [16],
        "nhead": [2],
        "blocks": [2],
        "level_config": ["CTA"],
        "clip_embd": 32,
        "inject_effnet": [True],
        "effnet_embd": 4,
        "c_r": 8,
    },
    "UVit2DModel": {
        "hidden_size": 8,
        "cond_embed_dim": 8,
        "micro_cond_encode_dim": 2,
        "micro_cond_embed_dim": 10,
        "encoder_hidden_size": 8,
        "vocab_size": 32,
        "codebook_size": 8,
        "in_channels": 8,
        "block_out_channels": 8,
        "num_res_blocks": 1,
        "downsample": True,
        "upsample": True,
        "block_num_heads": 1,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    },
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
