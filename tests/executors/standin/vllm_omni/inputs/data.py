"""Sampling parameters, by the names and defaults of vLLM-Omni 0.30 as far as a job can set them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class OmniDiffusionSamplingParams:
    max_sequence_length: int | None = None
    output_type: str | None = None
    num_outputs_per_prompt: int = 1
    seed: int | None = None
    generator: Any = None
    num_frames: int = 1
    height: int | None = None
    width: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None
    true_cfg_scale: float | None = None
    extra_args: dict[str, Any] = field(default_factory=dict)
    lora_request: Any = None
    lora_scale: float = 1.0
