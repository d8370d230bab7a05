"""Wan 2.1 and 2.2: text, image and video to video, with one or two transformers."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Frames, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLWan",
    "text_encoder": "UMT5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "WanTransformer3DModel",
}
IMAGE: dict[str, Any] = BASE | {
    "transformer": "WanTransformer3DModel/i2v-clip",
    "image_encoder": "CLIPVisionModel",
    "image_processor": "CLIPImageProcessor",
}
TEXT: dict[str, Any] = {"max_sequence_length": 32, "guidance_scale": 5.0, "negative_prompt": "bad quality"}
CALL = TEXT | {"num_frames": 9}
VACE = BASE | {"transformer": "WanVACETransformer3DModel"}

CASES = [
    Case("wan", "WanPipeline", BASE, CALL),
    Case("wan-no-cfg", "WanPipeline", BASE, CALL | {"guidance_scale": 1.0}),
    Case("wan-unipc", "WanPipeline", BASE | {"scheduler": "UniPCMultistepScheduler/flow"}, CALL),
    Case(
        "wan-2.2",
        "WanPipeline",
        BASE | {"transformer_2": "WanTransformer3DModel/second", "boundary_ratio": 0.6},
        CALL | {"guidance_scale_2": 3.0},
    ),
    Case(
        "wan-2.2-5b",
        "WanPipeline",
        BASE
        | {"vae": "AutoencoderKLWan/2.2", "transformer": "WanTransformer3DModel/5b", "expand_timesteps": True},
        CALL,
        size=(32, 64),
    ),
    Case("wan-image-to-video", "WanImageToVideoPipeline", IMAGE, CALL | {"image": Picture()}),
    Case(
        "wan-image-to-video-2.2",
        "WanImageToVideoPipeline",
        BASE
        | {"transformer": "WanTransformer3DModel/i2v", "transformer_2": "WanTransformer3DModel/i2v-second"}
        | {"boundary_ratio": 0.6, "image_encoder": None, "image_processor": None},
        CALL | {"image": Picture(), "guidance_scale_2": 3.0},
    ),
    Case("wan-video-to-video", "WanVideoToVideoPipeline", BASE, TEXT | {"video": Frames(9), "strength": 0.8}),
    Case("wan-vace", "WanVACEPipeline", VACE, CALL),
    Case(
        "wan-vace-video",
        "WanVACEPipeline",
        VACE,
        CALL | {"video": Frames(9), "mask": Frames(9, masks=True), "reference_images": [Picture(salt=9)]},
    ),
]
