"""LTX-2: video with sound from text and pictures; and LTX's latent upsampler."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families import ltx
from benchmarks.zoo.media import Frames, Picture, Seed

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLLTX2Video",
    "audio_vae": "AutoencoderKLLTX2Audio",
    "text_encoder": "Gemma3ForConditionalGeneration",
    "tokenizer": "GemmaTokenizer",
    "connectors": "diffusers.pipelines.ltx2.LTX2TextConnectors",
    "transformer": "LTX2VideoTransformer3DModel",
    "vocoder": "diffusers.pipelines.ltx2.vocoder.LTX2Vocoder",
}
PLAIN: dict[str, Any] = {
    "num_frames": 5,
    "frame_rate": 25.0,
    "max_sequence_length": 16,
    "negative_prompt": "bad quality",
    "guidance_scale": 3.0,
    "stg_scale": 0.0,
    "modality_scale": 1.0,
    "audio_guidance_scale": 3.0,
    "audio_stg_scale": 0.0,
    "audio_modality_scale": 1.0,
    "spatio_temporal_guidance_blocks": None,
}
GUIDED = PLAIN | {
    "stg_scale": 1.0,
    "modality_scale": 3.0,
    "audio_stg_scale": 1.0,
    "audio_modality_scale": 3.0,
    "spatio_temporal_guidance_blocks": [1],
}
Ltx2Case = partial(Case, size=(32, 64))

CASES = [
    Ltx2Case("ltx2", "LTX2Pipeline", BASE, PLAIN),
    Ltx2Case("ltx2-all-guidance", "LTX2Pipeline", BASE, GUIDED),
    Ltx2Case("ltx2-image-to-video", "LTX2ImageToVideoPipeline", BASE, PLAIN | {"image": Picture()}),
    Ltx2Case("ltx2-condition", "LTX2ConditionPipeline", BASE, PLAIN),
    Ltx2Case(
        "ltx2-hdr",
        "LTX2HDRPipeline",
        BASE,
        {key: PLAIN[key] for key in ("num_frames", "frame_rate", "max_sequence_length", "guidance_scale")}
        | {"negative_prompt": "bad quality"},
    ),
    Ltx2Case("ltx2-in-context", "LTX2InContextPipeline", BASE, PLAIN),
    Case(
        "ltx-latent-upsample",
        "LTXLatentUpsamplePipeline",
        {
            "vae": ltx.BASE["vae"],
            "latent_upsampler": "diffusers.pipelines.ltx.modeling_latent_upsampler.LTXLatentUpsamplerModel",
        },
        {"video": Frames(9)},
        size=(32, 64),
        prompt_argument=None,
        steps_argument=None,
    ),
    Case(
        "ltx2-latent-upsample",
        "LTX2LatentUpsamplePipeline",
        {"vae": BASE["vae"], "latent_upsampler": "diffusers.pipelines.ltx2.LTX2LatentUpsamplerModel"},
        {"video": Frames(5), "num_frames": 5},
        size=(32, 64),
        prompt_argument=None,
        steps_argument=None,
    ),
    Case(
        "ltx-long-multi-prompt",
        "LTXI2VLongMultiPromptPipeline",
        ltx.BASE,
        ltx.CALL | {"temporal_tile_size": 16, "temporal_overlap": 8, "seed": Seed()},
        size=(32, 64),
    ),
]
