"""Rows of transformers that denoise pictures."""

from typing import Any

FLUX: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": [4, 4, 8],
}
QWEN_IMAGE: dict[str, Any] = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 4,
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 3,
    "joint_attention_dim": 16,
    "guidance_embeds": False,
    "axes_dims_rope": (8, 4, 4),
}
SD3: dict[str, Any] = {
    "sample_size": 32,
    "patch_size": 1,
    "in_channels": 4,
    "num_layers": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 4,
    "caption_projection_dim": 32,
    "joint_attention_dim": 64,
    "pooled_projection_dim": 64,
    "out_channels": 4,
}
Z_IMAGE: dict[str, Any] = {
    "all_patch_size": (2,),
    "all_f_patch_size": (1,),
    "in_channels": 16,
    "dim": 32,
    "n_layers": 2,
    "n_refiner_layers": 1,
    "n_heads": 2,
    "n_kv_heads": 2,
    "cap_feat_dim": 16,
    "axes_dims": [8, 4, 4],
    "axes_lens": [256, 32, 32],
}
FLUX_2: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "timestep_guidance_channels": 256,
    "axes_dims_rope": [4, 4, 4, 4],
}
LONGCAT: dict[str, Any] = {
    "in_channels": 64,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 16,
    "pooled_projection_dim": 16,
    "axes_dims_rope": [4, 4, 8],
}
CHROMA: dict[str, Any] = {
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "axes_dims_rope": [4, 4, 8],
    "approximator_hidden_dim": 32,
    "approximator_layers": 1,
    "approximator_num_channels": 16,
}
SANA: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 4,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 4,
    "cross_attention_dim": 8,
    "caption_channels": 16,
    "sample_size": 32,
}
PIXART: dict[str, Any] = {
    "sample_size": 16,
    "num_layers": 2,
    "patch_size": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 3,
    "caption_channels": 32,
    "in_channels": 4,
    "out_channels": 8,
    "cross_attention_dim": 24,
    "norm_type": "ada_norm_single",
}
LUMINA_2: dict[str, Any] = {
    "sample_size": 4,
    "in_channels": 4,
    "hidden_size": 24,
    "num_layers": 2,
    "num_refiner_layers": 1,
    "num_attention_heads": 3,
    "num_kv_heads": 1,
    "multiple_of": 16,
    "axes_dim_rope": [4, 2, 2],
    "cap_feat_dim": 16,
}
LUMINA: dict[str, Any] = {
    "sample_size": 4,
    "in_channels": 4,
    "hidden_size": 24,
    "num_layers": 2,
    "num_attention_heads": 3,
    "num_kv_heads": 1,
    "multiple_of": 16,
    "cross_attention_dim": 16,
    "learn_sigma": True,
}
HUNYUAN_IMAGE: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 4,
    "attention_head_dim": 8,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "patch_size": (1, 1),
    "text_embed_dim": 16,
    "text_embed_2_dim": 32,
    "rope_axes_dim": (4, 4),
}
HUNYUAN_DIT: dict[str, Any] = {
    "sample_size": 16,
    "num_layers": 2,
    "patch_size": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 3,
    "in_channels": 4,
    "cross_attention_dim": 32,
    "cross_attention_dim_t5": 32,
    "pooled_projection_dim": 16,
    "hidden_size": 24,
}
HUNYUAN_DIT_CONTROL: dict[str, Any] = {key: value for key, value in HUNYUAN_DIT.items() if key != "num_layers"} | {
    "transformer_num_layers": 2
}
SD3_CONTROL: dict[str, Any] = SD3 | {"num_layers": 1}

ROWS: dict[str, dict[str, Any]] = {
    "FluxTransformer2DModel": FLUX,
    "FluxTransformer2DModel/dev": FLUX | {"guidance_embeds": True},
    "FluxTransformer2DModel/control": FLUX | {"in_channels": 32, "out_channels": 16},
    "FluxTransformer2DModel/fill": FLUX | {"in_channels": 48, "out_channels": 16},
    "FluxControlNetModel": FLUX,
    "FluxControlNetModel/union": FLUX | {"num_mode": 2},
    "Flux2Transformer2DModel": FLUX_2,
    "Flux2Transformer2DModel/plain": FLUX_2 | {"guidance_embeds": False},
    "QwenImageTransformer2DModel": QWEN_IMAGE,
    "QwenImageTransformer2DModel/zero-condition": QWEN_IMAGE | {"zero_cond_t": True},
    "QwenImageTransformer2DModel/layered": QWEN_IMAGE
    | {"in_channels": 32, "out_channels": 8, "use_additional_t_cond": True, "use_layer3d_rope": True},
    "QwenImageControlNetModel": {key: value for key, value in QWEN_IMAGE.items() if key != "guidance_embeds"}
    | {"num_layers": 1},
    "QwenImageControlNetModel/inpaint": {
        key: value for key, value in QWEN_IMAGE.items() if key != "guidance_embeds"
    }
    | {"num_layers": 1, "extra_condition_channels": 4},
    "SD3Transformer2DModel": SD3,
    "SD3Transformer2DModel/16": SD3 | {"in_channels": 16, "out_channels": 16},
    "SD3Transformer2DModel/33": SD3 | {"in_channels": 33, "out_channels": 16},
    "SD3ControlNetModel": SD3_CONTROL,
    "SD3ControlNetModel/inpaint": SD3_CONTROL | {"extra_conditioning_channels": 1},
    "ZImageTransformer2DModel": Z_IMAGE,
    "LongCatImageTransformer2DModel": LONGCAT,
    "ChromaTransformer2DModel": CHROMA,
    "SanaTransformer2DModel": SANA,
    "SanaTransformer2DModel/sprint": SANA | {"guidance_embeds": True, "guidance_embeds_scale": 0.1},
    "SanaControlNetModel": SANA | {"num_layers": 1},
    "PixArtTransformer2DModel": PIXART,
    "PixArtTransformer2DModel/alpha": PIXART | {"use_additional_conditions": True, "sample_size": 128},
    "Lumina2Transformer2DModel": LUMINA_2,
    "LuminaNextDiT2DModel": LUMINA,
    "HunyuanImageTransformer2DModel": HUNYUAN_IMAGE,
    "HunyuanImageTransformer2DModel/distilled": HUNYUAN_IMAGE | {"guidance_embeds": True, "use_meanflow": True},
    "HunyuanImageTransformer2DModel/refiner": HUNYUAN_IMAGE
    | {
        "in_channels": 16,
        "out_channels": 8,
        "patch_size": (1, 1, 1),
        "rope_axes_dim": (4, 2, 2),
        "guidance_embeds": True,
    }
    | {"text_embed_2_dim": None},
    "HunyuanDiT2DModel": HUNYUAN_DIT,
    "HunyuanDiT2DControlNetModel": HUNYUAN_DIT_CONTROL,
}
