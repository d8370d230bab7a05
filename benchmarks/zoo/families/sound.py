"""Pipelines that make sound."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Noise

STABLE_AUDIO: dict[str, Any] = {
    "scheduler": "CosineDPMSolverMultistepScheduler",
    "vae": "AutoencoderOobleck",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer/25",
    "projection_model": "StableAudioProjectionModel",
    "transformer": "StableAudioDiTModel",
}
CALL: dict[str, Any] = {"guidance_scale": 6.0, "negative_prompt": "bad quality"}
LDM: dict[str, Any] = {
    "vae": "AutoencoderKL/mel",
    "tokenizer": "RobertaTokenizer",
    "unet": "UNet2DConditionModel/sound",
    "scheduler": "DDIMScheduler",
    "vocoder": "SpeechT5HifiGan",
}
LDM_CALL: dict[str, Any] = {"guidance_scale": 3.0, "negative_prompt": "bad quality", "audio_length_in_s": 0.016}
STABLE_AUDIO_3: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderSAME",
    "text_encoder": "Gemma2Model",
    "tokenizer": "GemmaTokenizer/short",
    "duration_embedder": "StableAudio3DurationEmbedder",
    "transformer": "StableAudio3DiTModel",
}

ACE_STEP: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler/ace-step",
    "vae": "AutoencoderOobleck/8",
    "text_encoder": "Qwen3Model",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "AceStepTransformer1DModel",
    "condition_encoder": "diffusers.pipelines.ace_step.AceStepConditionEncoder",
}
ACE_STEP_CALL: dict[str, Any] = {"lyrics": "the wind sings", "max_text_length": 64, "guidance_scale": 3.0}

CASES = [
    Case(
        "audioldm",
        "AudioLDMPipeline",
        LDM | {"text_encoder": "ClapTextModelWithProjection"},
        LDM_CALL,
        size=None,
        output_type="np",
    ),
    Case("stable-audio-3", "StableAudio3Pipeline", STABLE_AUDIO_3, {"duration": 1.0}, size=None),
    Case(
        "stable-audio-3-audio-to-audio",
        "StableAudio3AudioToAudioPipeline",
        STABLE_AUDIO_3,
        {"duration": 1.0, "audio": Noise((1, 2, 16)), "init_noise_level": 0.8},
        size=None,
    ),
    Case(
        "stable-audio-3-inpaint",
        "StableAudio3InpaintPipeline",
        STABLE_AUDIO_3,
        {"duration": 1.0, "audio": Noise((1, 2, 16)), "mask_start_seconds": 0.25, "mask_end_seconds": 0.75},
        size=None,
    ),
    Case("ace-step", "AceStepPipeline", ACE_STEP, ACE_STEP_CALL | {"audio_duration": 0.4}, size=None),
    # So long that the guidance's momentum matters from step to step.
    Case("ace-step-long", "AceStepPipeline", ACE_STEP, ACE_STEP_CALL | {"audio_duration": 2.0}, size=None),
    Case(
        "longcat-audio-dit",
        "LongCatAudioDiTPipeline",
        {"scheduler": "FlowMatchEulerDiscreteScheduler", "vae": "LongCatAudioDiTVae"}
        | {"text_encoder": "UMT5EncoderModel", "tokenizer": "T5Tokenizer"}
        | {"transformer": "LongCatAudioDiTTransformer"},
        {"guidance_scale": 3.0, "audio_duration_s": 0.001},
        size=None,
        output_type="np",
    ),
    Case("stable-audio", "StableAudioPipeline", STABLE_AUDIO, CALL, size=None),
    Case(
        "stable-audio-edm",
        "StableAudioPipeline",
        STABLE_AUDIO | {"scheduler": "EDMDPMSolverMultistepScheduler"},
        CALL,
        size=None,
    ),
]
