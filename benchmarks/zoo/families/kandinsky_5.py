"""Kandinsky 5: text and image to picture and video."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

VIDEO: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLHunyuanVideo",
    "text_encoder": "Qwen2_5_VLForConditionalGeneration",
    "tokenizer": "Qwen2VLProcessor",
    "text_encoder_2": "CLIPTextModel",
    "tokenizer_2": "CLIPTokenizer",
    "transformer": "Kandinsky5Transformer3DModel",
}
CONDITIONED = {"transformer": "Kandinsky5Transformer3DModel/conditioned"}
STILL = VIDEO | {"vae": "AutoencoderKL/eight"}
CALL: dict[str, Any] = {"max_sequence_length": 32, "guidance_scale": 5.0, "negative_prompt": "bad quality"}
SIZE = (32, 64)

CASES = [
    Case("kandinsky5-t2v", "Kandinsky5T2VPipeline", VIDEO, CALL | {"num_frames": 5}, size=SIZE),
    Case(
        "kandinsky5-i2v",
        "Kandinsky5I2VPipeline",
        VIDEO | CONDITIONED,
        CALL | {"num_frames": 21, "image": Picture()},
        size=SIZE,
    ),
    Case(
        "kandinsky5-t2i",
        "Kandinsky5T2IPipeline",
        STILL,
        CALL,
        size=SIZE,
        attributes={"resolutions": [SIZE, SIZE[::-1]]},
    ),
    Case(
        "kandinsky5-i2i",
        "Kandinsky5I2IPipeline",
        STILL | CONDITIONED,
        CALL | {"image": Picture()},
        size=SIZE,
        attributes={"resolutions": [SIZE, SIZE[::-1]]},
    ),
]
