"""What a job will cost and which jobs are alike, guessed from parameters alone. Pure; called before it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from omni_jobs.schemas import JobRequest, ModelCard

#: Expected device seconds of one step of one megapixel; corrected by what the job really used.
_STEP_SECONDS_PER_MEGAPIXEL = 0.1
_DEFAULT_STEPS = 30
_DEFAULT_SIDE_PIXELS = 1024


def shape_of(request: JobRequest, card: ModelCard) -> str:
    """What must be equal for two jobs to have a chance to share batches: a hint for the claim, no promise."""
    given = card.defaults | request.parameters
    size = "x".join(str(given.get(name, "-")) for name in ("width", "height", "num_frames"))
    shape = f"{request.task}:{size}:{len(request.pictures)}"
    loras = given.get("loras")
    return f"{shape}:{json.dumps(loras, separators=(',', ':'), ensure_ascii=False)}" if loras else shape


def expected_seconds(request: JobRequest, card: ModelCard) -> float:
    """A guess of the device time, by steps and pixels, for the fair share between accounts."""
    given = card.defaults | request.parameters
    pixels = number(given, "width", _DEFAULT_SIDE_PIXELS) * number(given, "height", _DEFAULT_SIDE_PIXELS)
    frames = number(given, "num_frames", 1)
    steps = number(given, "num_inference_steps", _DEFAULT_STEPS)
    return max(0.001, request.num_outputs * steps * frames * pixels / 1e6 * _STEP_SECONDS_PER_MEGAPIXEL)


def number(given: Mapping[str, Any], name: str, default: float) -> float:
    """A parameter if it is a number above 0, else the default."""
    value = given.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else default
