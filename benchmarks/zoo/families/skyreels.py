"""SkyReels V2: text and image to video, and diffusion forcing."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Frames, Picture

BASE: dict[str, Any] = {
    "scheduler": "UniPCMultistepScheduler/flow",
    "vae": "AutoencoderKLWan",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "SkyReelsV2Transformer3DModel",
}
FORCING = BASE | {"transformer": "SkyReelsV2Transformer3DModel/forcing"}
TEXT: dict[str, Any] = {"max_sequence_length": 32, "guidance_scale": 5.0, "negative_prompt": "bad quality"}
CALL = TEXT | {"num_frames": 9}
FORCED = CALL | {"base_num_frames": 5, "overlap_history": 3}

CASES = [
    Case("skyreels", "SkyReelsV2Pipeline", BASE, CALL),
    Case(
        "skyreels-image-to-video",
        "SkyReelsV2ImageToVideoPipeline",
        BASE
        | {"transformer": "SkyReelsV2Transformer3DModel/i2v", "image_encoder": "CLIPVisionModelWithProjection"}
        | {"image_processor": "CLIPImageProcessor"},
        CALL | {"image": Picture()},
    ),
    Case("skyreels-forcing", "SkyReelsV2DiffusionForcingPipeline", FORCING, FORCED),
    Case(
        "skyreels-forcing-asynchronous",
        "SkyReelsV2DiffusionForcingPipeline",
        FORCING,
        FORCED | {"ar_step": 1, "causal_block_size": 1},
    ),
    Case(
        "skyreels-forcing-image-to-video",
        "SkyReelsV2DiffusionForcingImageToVideoPipeline",
        FORCING,
        FORCED | {"image": Picture()},
    ),
    Case(
        "skyreels-forcing-video-to-video",
        "SkyReelsV2DiffusionForcingVideoToVideoPipeline",
        FORCING,
        FORCED | {"video": Frames(5), "num_frames": 9},
    ),
]
