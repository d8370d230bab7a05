"""Rows of what is neither denoiser, encoder, autoencoder nor noise scheduler."""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "AdaptiveProjectedMixGuidance": {"adaptive_projected_guidance_start_step": 1},
    "AdaptiveProjectedMixGuidance/ocr": {"adaptive_projected_guidance_start_step": 2},
    "diffusers.pipelines.deprecated.unclip.text_proj.UnCLIPTextProjModel": {
        "clip_embeddings_dim": 32,
        "time_embed_dim": 32,
        "cross_attention_dim": 32,
    },
    "diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer.StableUnCLIPImageNormalizer": {
        "embedding_dim": 32
    },
    "diffusers.pipelines.deprecated.vq_diffusion.pipeline_vq_diffusion.LearnedClassifierFreeSamplingEmbeddings": {
        "learnable": False
    },
    "diffusers.pipelines.shap_e.ShapERenderer": {
        "param_shapes": ((8, 93), (8, 8), (8, 8), (8, 8)),
        "d_latent": 32,
        "d_hidden": 8,
        "n_output": 12,
        "background": (0.1, 0.1, 0.1),
    },
    "StableAudioProjectionModel": {
        "text_encoder_dim": 32,
        "conditioning_dim": 4,
        "min_value": 0,
        "max_value": 32,
    },
    "ClassifierFreeGuidance": {"guidance_scale": 4.0},
    "diffusers.pipelines.flux.modeling_flux.ReduxImageEncoder": {"redux_dim": 32, "txt_in_features": 32},
}
