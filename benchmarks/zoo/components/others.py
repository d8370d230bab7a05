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
    "diffusers.pipelines.stable_diffusion.CLIPImageProjection": {"hidden_size": 32},
    "diffusers.pipelines.ltx2.LTX2TextConnectors": {
        "caption_channels": 16,
        "text_proj_in_factor": 3,
        "video_connector_num_attention_heads": 2,
        "video_connector_attention_head_dim": 8,
        "video_connector_num_layers": 1,
        "video_connector_num_learnable_registers": None,
        "audio_connector_num_attention_heads": 2,
        "audio_connector_attention_head_dim": 8,
        "audio_connector_num_layers": 1,
        "audio_connector_num_learnable_registers": None,
        "connector_rope_base_seq_len": 32,
        "rope_double_precision": False,
        "rope_type": "split",
    },
    "diffusers.pipelines.ltx2.vocoder.LTX2Vocoder": {
        "in_channels": 16,
        "hidden_channels": 32,
        "upsample_kernel_sizes": [4, 4],
        "upsample_factors": [2, 2],
        "resnet_kernel_sizes": [3],
        "resnet_dilations": [[1, 3, 5]],
        "output_sampling_rate": 16000,
    },
    "diffusers.pipelines.ltx.modeling_latent_upsampler.LTXLatentUpsamplerModel": {
        "in_channels": 8,
        "mid_channels": 32,
        "num_blocks_per_stage": 1,
    },
    "diffusers.pipelines.ltx2.LTX2LatentUpsamplerModel": {
        "in_channels": 4,
        "mid_channels": 32,
        "num_blocks_per_stage": 1,
    },
    "StableAudio3DurationEmbedder": {"output_dim": 16, "fourier_dim": 16},
    "diffusers.pipelines.ace_step.AceStepConditionEncoder": {
        "hidden_size": 32,
        "intermediate_size": 32,
        "text_hidden_dim": 16,
        "timbre_hidden_dim": 8,
        "num_lyric_encoder_hidden_layers": 1,
        "num_timbre_encoder_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 16,
    },
    "diffusers.pipelines.flux.modeling_flux.ReduxImageEncoder": {"redux_dim": 32, "txt_in_features": 32},
}
