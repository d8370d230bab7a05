"""Sana, Sana Sprint and Sana with a control network."""

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
SIZE = (32, 64)
PLAIN: dict[str, Any] = {
    "max_sequence_length": 32,
    "complex_human_instruction": None,
    "use_resolution_binning": False,
}
CALL: dict[str, Any] = PLAIN | {"guidance_scale": 4.5, "negative_prompt": "bad quality"}
SPRINT_CALL: dict[str, Any] = PLAIN | {"guidance_scale": 4.5, "intermediate_timesteps": None}

CASES = [
    Case("sana", "SanaPipeline", BASE, CALL, size=SIZE),
    Case("sana-dpm", "SanaPipeline", BASE | {"scheduler": "DPMSolverMultistepScheduler/flow"}, CALL),
    Case(
        "sana-instruction",
        "SanaPipeline",
        BASE,
        CALL | {"complex_human_instruction": ["Describe the image:"]},
        size=SIZE,
    ),
    Case("sana-sprint", "SanaSprintPipeline", SPRINT, SPRINT_CALL),
    Case(
        "sana-sprint-img2img",
        "SanaSprintImg2ImgPipeline",
        SPRINT,
        SPRINT_CALL | {"image": Picture(), "strength": 0.7},
        size=SIZE,
    ),
    Case(
        "sana-controlnet",
        "SanaControlNetPipeline",
        BASE | {"controlnet": "SanaControlNetModel"},
        CALL | {"control_image": Picture(salt=5)},
    ),
    Case("pag-sana", "SanaPAGPipeline", BASE, CALL | {"pag_scale": 3.0}, size=SIZE),
]
