"""Sana, Sana Sprint and Sana with a control network."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderDC",
    "text_encoder": "Gemma2Model",
    "tokenizer": "GemmaTokenizer",
    "transformer": "SanaTransformer2DModel",
}
SPRINT = BASE | {"scheduler": "SCMScheduler", "transformer": "SanaTransformer2DModel/sprint"}
CONTROL = BASE | {"controlnet": "SanaControlNetModel"}
PLAIN: dict[str, Any] = {
    "max_sequence_length": 32,
    "complex_human_instruction": None,
    "use_resolution_binning": False,
    "guidance_scale": 4.5,
}
CALL: dict[str, Any] = PLAIN | {"negative_prompt": "bad quality"}
SPRINT_CALL: dict[str, Any] = PLAIN | {"intermediate_timesteps": None}
SPRINT_IMAGE = SPRINT_CALL | {"image": Picture(), "strength": 0.4}
INSTRUCTION = {"complex_human_instruction": ["Describe the image:"]}
SanaCase = partial(Case, size=(32, 64))

CASES = [
    SanaCase("sana", "SanaPipeline", BASE, CALL),
    SanaCase("sana-dpm", "SanaPipeline", BASE | {"scheduler": "DPMSolverMultistepScheduler/flow"}, CALL),
    SanaCase("sana-instruction", "SanaPipeline", BASE, CALL | INSTRUCTION),
    SanaCase("sana-sprint", "SanaSprintPipeline", SPRINT, SPRINT_CALL),
    SanaCase("sana-sprint-img2img", "SanaSprintImg2ImgPipeline", SPRINT, SPRINT_IMAGE),
    SanaCase("sana-controlnet", "SanaControlNetPipeline", CONTROL, CALL | {"control_image": Picture(salt=5)}),
    SanaCase("pag-sana", "SanaPAGPipeline", BASE, CALL | {"pag_scale": 3.0}),
]
