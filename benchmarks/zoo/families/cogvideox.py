"""CogVideoX: text, image, video and control to video."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Frames, Picture

BASE: dict[str, Any] = {
    "scheduler": "CogVideoXDDIMScheduler",
    "vae": "AutoencoderKLCogVideoX",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "CogVideoXTransformer3DModel",
}
IMAGE = BASE | {"transformer": "CogVideoXTransformer3DModel/image"}
TEXT: dict[str, Any] = {"max_sequence_length": 16, "guidance_scale": 6.0, "negative_prompt": "bad quality"}
CALL = TEXT | {"num_frames": 8}

CASES = [
    Case("cogvideox", "CogVideoXPipeline", BASE, CALL),
    Case("cogvideox-dpm", "CogVideoXPipeline", BASE | {"scheduler": "CogVideoXDPMScheduler"}, CALL),
    Case("cogvideox-dynamic-cfg", "CogVideoXPipeline", BASE, CALL | {"use_dynamic_cfg": True}),
    Case(
        "cogvideox-absolute",
        "CogVideoXPipeline",
        BASE | {"transformer": "CogVideoXTransformer3DModel/absolute"},
        CALL,
        swap_sizes=False,
    ),
    Case("cogvideox-image-to-video", "CogVideoXImageToVideoPipeline", IMAGE, CALL | {"image": Picture()}),
    Case("cogvideox-video-to-video", "CogVideoXVideoToVideoPipeline", BASE, TEXT | {"video": Frames(8)}),
    Case("cogvideox-fun-control", "CogVideoXFunControlPipeline", IMAGE, TEXT | {"control_video": Frames(8)}),
]
