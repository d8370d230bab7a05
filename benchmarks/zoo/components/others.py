"""Rows of what is neither denoiser, encoder, autoencoder nor noise scheduler."""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "AdaptiveProjectedMixGuidance": {"adaptive_projected_guidance_start_step": 1},
    "AdaptiveProjectedMixGuidance/ocr": {"adaptive_projected_guidance_start_step": 2},
    "StableAudioProjectionModel": {
        "text_encoder_dim": 32,
        "conditioning_dim": 4,
        "min_value": 0,
        "max_value": 32,
    },
    "diffusers.pipelines.flux.modeling_flux.ReduxImageEncoder": {"redux_dim": 32, "txt_in_features": 32},
}
