"""A short call of the tiny pipeline, saved in the middle and undisturbed."""

from __future__ import annotations

from typing import Any

import torch

from tests.stepping.pipelines import seeded, tiny
from workers import Omni

STEPS = 4


def call(seed: int = 3, steps: int = STEPS, **more: Any) -> dict[str, Any]:
    """The arguments of the call, fresh ones each time."""
    return {"generator": seeded(seed), "num_inference_steps": steps, **more}


def saved(pipeline: Any | None = None, after: int = 2) -> bytes:
    """The checkpoint after so many steps."""
    return Omni(pipeline=pipeline or tiny()).checkpoint(call(), after_steps=after)


def undisturbed(pipeline: Any | None = None) -> torch.Tensor:
    """What the call gives without a break."""
    (output,) = Omni(pipeline=pipeline or tiny()).map([call()])
    return output
