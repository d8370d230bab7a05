"""Marigold: depth, normals and intrinsic images from a picture."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

BASE: dict[str, Any] = {
    "unet": "UNet2DConditionModel/pix2pix",
    "vae": "AutoencoderKL",
    "scheduler": "DDIMScheduler/v",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
}
CALL: dict[str, Any] = {"image": Picture(), "processing_resolution": 0}
ENSEMBLE: dict[str, Any] = {"ensemble_size": 3, "batch_size": 2}
MarigoldCase = partial(Case, prompt_argument=None, pass_size=False, output_type="np")

CASES = [
    MarigoldCase("marigold-depth", "MarigoldDepthPipeline", BASE, CALL),
    MarigoldCase("marigold-normals", "MarigoldNormalsPipeline", BASE, CALL),
    MarigoldCase("marigold-normals-ensemble", "MarigoldNormalsPipeline", BASE, CALL | ENSEMBLE),
    MarigoldCase(
        "marigold-intrinsics",
        "MarigoldIntrinsicsPipeline",
        BASE | {"unet": "UNet2DConditionModel/intrinsics"},
        CALL,
    ),
]
