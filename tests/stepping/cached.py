"""Pipelines whose step cache can be worked out by hand: a reference keeps its own cache in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler
from torch import nn

#: Given (which call of the step, step, sample) and a function that computes: the output, computed or not.
Reuse = Callable[[str, int, torch.Tensor, Callable[[], torch.Tensor]], torch.Tensor]


class TextDenoiser(nn.Module):
    """Like Denoiser, and moved by a text of shape (rows, tokens, 8)."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.mix, self.out, self.runs = nn.Linear(8, 8), nn.Linear(8, 8), 0
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3

    @property
    def dtype(self) -> torch.dtype:
        return self.mix.weight.dtype

    def forward(
        self, hidden_states: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> torch.Tensor:
        self.runs += 1
        scale = torch.as_tensor(timestep, dtype=self.dtype).reshape(-1, 1) / 1000
        text = encoder_hidden_states.mean(1)
        result: torch.Tensor = self.out(torch.tanh(self.mix(hidden_states) + scale + text))
        return result


def compute(_name: str, _step: int, _sample: torch.Tensor, run: Callable[[], torch.Tensor]) -> torch.Tensor:
    return run()


class GuidedPipeline(DiffusionPipeline):
    """Two calls a step, with text and without. After `unguided_from` only the first; `loops` runs it all again."""

    unet: TextDenoiser
    scheduler: EulerDiscreteScheduler

    def __init__(self, unet: TextDenoiser, scheduler: EulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        generator: torch.Generator | None = None,
        num_inference_steps: int = 6,
        loops: int = 1,
        negative_first: bool = False,
        unguided_from: int = 1000,
        reuse: Reuse = compute,
    ) -> torch.Tensor:
        latents = torch.randn(1, 8, generator=generator, dtype=self.unet.dtype)
        texts = {"text": torch.full((1, 3, 8), 0.7), "none": torch.full((1, 3, 8), -0.4)}
        order = ["none", "text"] if negative_first else ["text", "none"]
        for loop in range(loops):
            self.scheduler.set_timesteps(num_inference_steps)
            with self.progress_bar(total=num_inference_steps) as bar:
                for step, timestep in enumerate(self.scheduler.timesteps):
                    sample = self.scheduler.scale_model_input(latents, timestep)
                    found: dict[str, torch.Tensor] = {}
                    for name in order if step < unguided_from else ["text"]:
                        run = lambda name=name: self.unet(sample, timestep, texts[name])  # noqa: B023, E731
                        found[name] = reuse(f"{loop} {name}", step, sample, run)
                    base = found.get("none", found["text"])
                    guided = base + 2.0 * (found["text"] - base)
                    latents = self.scheduler.step(guided, timestep, latents, return_dict=False)[0]
                    bar.update()
        return latents


def guided() -> GuidedPipeline:
    pipeline = GuidedPipeline(TextDenoiser(), EulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
