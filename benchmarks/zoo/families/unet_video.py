"""Videos from U-Nets: ModelScope text to video, Stable Video Diffusion, I2VGen-XL, Text2Video-Zero."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families import stable_diffusion, stable_diffusion_xl
from benchmarks.zoo.media import Frames, Picture

SYNTHESIS: dict[str, Any] = stable_diffusion.BARE | {"unet": "UNet3DConditionModel"}
CFG: dict[str, Any] = {"guidance_scale": 6.0, "negative_prompt": "bad quality"}
ENCODER: dict[str, Any] = {
    "image_encoder": "CLIPVisionModelWithProjection",
    "feature_extractor": "CLIPImageProcessor",
}

CASES = [
    Case("text-to-video", "TextToVideoSDPipeline", SYNTHESIS, CFG | {"num_frames": 3}),
    Case(
        "video-to-video",
        "VideoToVideoSDPipeline",
        SYNTHESIS,
        CFG | {"video": Frames(3), "strength": 0.8},
        pass_size=False,
    ),
    Case(
        "stable-video-diffusion",
        "StableVideoDiffusionPipeline",
        {
            "vae": "AutoencoderKLTemporalDecoder",
            "unet": "UNetSpatioTemporalConditionModel",
            "scheduler": "EulerDiscreteScheduler/video",
            **ENCODER,
            "image_encoder": "CLIPVisionModelWithProjection/224",
        },
        {"image": Picture(), "num_frames": 3, "min_guidance_scale": 1.0, "max_guidance_scale": 2.5},
        prompt_argument=None,
    ),
    Case(
        "i2vgen-xl",
        "I2VGenXLPipeline",
        stable_diffusion.BARE | ENCODER | {"unet": "I2VGenXLUNet"},
        CFG | {"image": Picture(), "num_frames": 3, "clip_skip": None},
        global_random=True,
    ),
    Case(
        "text-to-video-zero",
        "TextToVideoZeroPipeline",
        stable_diffusion.BASE,
        CFG | {"video_length": 2, "t0": 0, "t1": 1},
    ),
    Case(
        "text-to-video-zero-sdxl",
        "TextToVideoZeroSDXLPipeline",
        stable_diffusion_xl.BASE,
        CFG | {"video_length": 2, "t0": 0, "t1": 1},
    ),
]
