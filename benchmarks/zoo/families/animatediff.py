"""AnimateDiff: motion adapters on Stable Diffusion, with control networks and perturbed attention."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families import stable_diffusion, stable_diffusion_xl
from benchmarks.zoo.media import Frames, Picture

BASE: dict[str, Any] = stable_diffusion.BARE | {
    "unet": "UNet2DConditionModel/adapter",
    "motion_adapter": "MotionAdapter",
}
CONTROL = BASE | {"controlnet": "ControlNetModel/adapter"}
CALL: dict[str, Any] = {"guidance_scale": 6.0, "negative_prompt": "bad quality", "num_frames": 4}
VIDEO: dict[str, Any] = {
    "guidance_scale": 6.0,
    "negative_prompt": "bad quality",
    "video": Frames(4),
    "strength": 0.8,
}
HINTS: dict[str, Any] = {"conditioning_frames": Frames(4, salt=5)}

CASES = [
    Case("animatediff", "AnimateDiffPipeline", BASE, CALL),
    Case("animatediff-no-cfg", "AnimateDiffPipeline", BASE, {"guidance_scale": 1.0, "num_frames": 4}),
    Case("animatediff-controlnet", "AnimateDiffControlNetPipeline", CONTROL, CALL | HINTS),
    Case("animatediff-video-to-video", "AnimateDiffVideoToVideoPipeline", BASE, VIDEO),
    Case(
        "animatediff-video-to-video-controlnet",
        "AnimateDiffVideoToVideoControlNetPipeline",
        CONTROL,
        VIDEO | HINTS,
    ),
    Case(
        "animatediff-sparse-controlnet",
        "AnimateDiffSparseControlNetPipeline",
        BASE | {"controlnet": "SparseControlNetModel"},
        CALL | {"conditioning_frames": [Picture(salt=5)], "controlnet_frame_indices": [0]},
        global_random=True,
    ),
    Case(
        "animatediff-sdxl",
        "AnimateDiffSDXLPipeline",
        stable_diffusion_xl.BASE | {"unet": "UNet2DConditionModel/xl", "motion_adapter": "MotionAdapter/xl"},
        CALL,
    ),
    Case("pag-animatediff", "AnimateDiffPAGPipeline", BASE, CALL | {"pag_scale": 3.0}),
    Case(
        "pia",
        "PIAPipeline",
        BASE | {"motion_adapter": "MotionAdapter/pia"},
        CALL | {"image": Picture()},
    ),
]
