"""Rows of the U-Nets of cascades: DeepFloyd IF, unCLIP, Kandinsky, Wuerstchen, Stable Cascade."""

from typing import Any

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

ROWS: dict[str, dict[str, Any]] = {
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
}
