"""Pipelines that make sound."""

from typing import Any

from benchmarks.zoo.case import Case

STABLE_AUDIO: dict[str, Any] = {
    "scheduler": "CosineDPMSolverMultistepScheduler",
    "vae": "AutoencoderOobleck",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer/25",
    "projection_model": "StableAudioProjectionModel",
    "transformer": "StableAudioDiTModel",
}
CALL: dict[str, Any] = {"guidance_scale": 6.0, "negative_prompt": "bad quality"}

CASES = [
    Case("stable-audio", "StableAudioPipeline", STABLE_AUDIO, CALL, size=None),
    Case(
        "stable-audio-edm",
        "StableAudioPipeline",
        STABLE_AUDIO | {"scheduler": "EDMDPMSolverMultistepScheduler"},
        CALL,
        size=None,
    ),
]
