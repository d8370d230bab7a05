"""LTX-Video: text, image and conditions to video."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Frames, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLLTXVideo",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "LTXVideoTransformer3DModel",
}
TEXT: dict[str, Any] = {"max_sequence_length": 32, "guidance_scale": 3.0, "negative_prompt": "bad quality"}
CALL = TEXT | {"num_frames": 9}
SIZE = (32, 64)

CASES = [
    Case("ltx", "LTXPipeline", BASE, CALL, size=SIZE),
    Case("ltx-no-cfg", "LTXPipeline", BASE, CALL | {"guidance_scale": 1.0}, size=SIZE),
    Case(
        "ltx-decode-timestep",
        "LTXPipeline",
        BASE | {"vae": "AutoencoderKLLTXVideo/timestep"},
        CALL | {"decode_timestep": 0.05, "decode_noise_scale": 0.025},
        size=SIZE,
    ),
    Case(
        "ltx-inject-noise",
        "LTXPipeline",
        BASE | {"vae": "AutoencoderKLLTXVideo/noise"},
        CALL | {"decode_timestep": 0.05, "decode_noise_scale": 0.025},
        size=SIZE,
        global_random=True,
    ),
    Case("ltx-image-to-video", "LTXImageToVideoPipeline", BASE, CALL | {"image": Picture()}, size=SIZE),
    Case("ltx-condition", "LTXConditionPipeline", BASE, CALL | {"image": Picture(), "strength": 0.8}, size=SIZE),
    Case("ltx-condition-video", "LTXConditionPipeline", BASE, CALL | {"video": Frames(9)}, size=SIZE),
]
