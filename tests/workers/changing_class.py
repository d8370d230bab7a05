"""Custom classes as an operator would write them: one makes dark pictures, the other bright ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.engine import DiffusionOutput, OmniDiffusionRequest


class Dark:
    """The contract in its smallest form."""

    brightness = 10

    def __init__(self, *, od_config: Any, prefix: str = "") -> None:
        """There is nothing to load."""

    def forward(self, req: OmniDiffusionRequest) -> DiffusionOutput:
        return DiffusionOutput(output={"images": np.full((1, 4, 4, 3), self.brightness, np.uint8)})


class Bright(Dark):
    """Another pipeline."""

    brightness = 200
