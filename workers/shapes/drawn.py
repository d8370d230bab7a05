"""Latents as the trained transformer draws them, for the last stretch of the decoder's training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from workers.shapes.data import SceneSource, pixel_weights
from workers.shapes.latents import unpack
from workers.shapes.models import TEXT_TOKENS, build_scheduler
from workers.shapes.trainee import Trainee

POOL_BATCHES, POOL_BATCH = 24, 64
STEPS = 8


class DrawnLatents:
    """A pool of latents that the averaged networks of the run in `folder` drew for prompts of `source`."""

    def __init__(self, folder: Path, source: SceneSource) -> None:
        self._trainee = Trainee(seed=0).eval()
        self._trainee.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
        made = [self._draw(source) for _ in range(POOL_BATCHES)]
        self._latents, self._weights = (torch.cat(part) for part in zip(*made, strict=True))

    def take(self, count: int) -> tuple[Tensor, Tensor]:
        """Latents (count, 12, 16, 16) and the pixel weights (count, 1, 64, 64) of the scenes they were to show."""
        chosen = torch.randint(len(self._latents), (count,))
        return self._latents[chosen], self._weights[chosen]

    @torch.no_grad()
    def _draw(self, source: SceneSource) -> tuple[Tensor, Tensor]:
        batch, scheduler = source.generations(POOL_BATCH), build_scheduler()
        scheduler.set_timesteps(STEPS)
        tokens = torch.randn_like(batch.target)
        with torch.autocast("cpu", torch.bfloat16):
            for timestep in scheduler.timesteps:
                level = (timestep / 1000).expand(POOL_BATCH)
                velocity = self._trainee(tokens, level, batch, TEXT_TOKENS, self._trainee.transformer)
                tokens = scheduler.step(velocity.float(), timestep, tokens).prev_sample
        return unpack(tokens), pixel_weights(batch.weights)
