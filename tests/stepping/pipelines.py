"""Small pipelines of our own, with a fault or a habit each, for what no real pipeline shows on demand."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler
from torch import nn


class Denoiser(nn.Module):
    """A row-wise denoiser; `habit` plants one thing that a merge must notice."""

    def __init__(self, habit: str = "good", error: float = 1e-2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.habit, self.error, self.runs = habit, error, 0
        self.mix = nn.Linear(8, 8)
        self.out = nn.Linear(8, 8)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3

    @property
    def dtype(self) -> torch.dtype:
        return self.mix.weight.dtype

    def forward(self, hidden_states: torch.Tensor, timestep: Any, extras: Any = None) -> torch.Tensor:
        self.runs += 1
        scale = torch.as_tensor(timestep, dtype=self.dtype).reshape(-1, 1) / 1000
        rows = hidden_states.shape[0]
        result: torch.Tensor = self.out(torch.tanh(self.mix(hidden_states) + scale))
        if self.habit == "wrong in company" and rows > 1:
            result = result * (1 + self.error)
        if self.habit == "first row for all" and rows > 1:
            result = self.out(torch.tanh(self.mix(hidden_states) + scale.reshape(-1, 1)[:1]))
        if self.habit == "an expert for all" and scale[0] < 0.5:
            result = -result
        if self.habit == "random":
            result = result + torch.randn(result.shape, dtype=result.dtype)
        if self.habit == "writes":
            hidden_states.mul_(1.0)
        if self.habit == "pops" and extras:
            result = result + extras.pop(0)
        if self.habit == "one list for all":
            (extra,) = extras
            result = result + extra
        if self.habit == "layers first":
            result = result + extras[0] - extras[1].square()
        if self.habit == "refuses company" and rows > 1:
            raise ValueError("one at a time, please")
        return result


class TinyPipeline(DiffusionPipeline):
    """Latents of 8 numbers, an Euler scheduler, a loop."""

    unet: Denoiser
    scheduler: EulerDiscreteScheduler

    def __init__(self, unet: Denoiser, scheduler: EulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.state: list[int] = []

    @torch.no_grad()
    def __call__(
        self, generator: torch.Generator | None = None, num_inference_steps: int = 3, fail_at: int | None = None
    ) -> torch.Tensor:
        self.scheduler.set_timesteps(num_inference_steps)
        latents = torch.randn(1, 8, generator=generator, dtype=self.unet.dtype)
        with self.progress_bar(total=num_inference_steps) as bar:
            for index, timestep in enumerate(self.scheduler.timesteps):
                if index == fail_at:
                    raise ArithmeticError("this request went wrong")
                self.state.append(index)
                extras = extras_for(self.unet.habit, latents)
                latents = self.scheduler.step(
                    self.unet(self.scheduler.scale_model_input(latents, timestep), timestep, extras=extras),
                    timestep,
                    latents,
                    return_dict=False,
                )[0]
                bar.update()
        return latents


def extras_for(habit: str, latents: torch.Tensor) -> Any:
    """What a denoiser of this habit takes beside its sample."""
    if habit == "one list for all":
        return [0.5]
    if habit == "layers first":
        return torch.stack([latents.sin(), latents.cos()])
    return [torch.ones(1, 8, dtype=latents.dtype)]


def tiny(habit: str = "good", dtype: torch.dtype = torch.float32, error: float = 1e-2) -> TinyPipeline:
    """A pipeline whose denoiser has this habit."""
    pipeline = TinyPipeline(Denoiser(habit, error).to(dtype), EulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
