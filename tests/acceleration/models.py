"""A model with repeated blocks, small enough to compile, and a pipeline whose pictures are as large as asked."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.utils.torch_utils import randn_tensor
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states + torch.tanh(self.mix(hidden_states))


class BlockModel(ModelMixin, ConfigMixin):
    """Two blocks and a timestep. `sees` lists the sizes of the forwards that ran."""

    _repeated_blocks = ["Block"]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.sees: list[tuple[int, ...]] = []

    def forward(self, hidden_states: torch.Tensor, timestep: Any) -> torch.Tensor:
        self.sees.append(tuple(hidden_states.shape))
        scale = torch.as_tensor(timestep, dtype=hidden_states.dtype).reshape(-1, 1, 1) / 1000
        for block in self.blocks:
            hidden_states = block(hidden_states + scale)
        return hidden_states


class BlockPipeline(DiffusionPipeline):
    """Latents of (1, width x height / 64, 8)."""

    model_cpu_offload_seq = "transformer"

    def __init__(self, transformer: BlockModel, scheduler: EulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str = "",
        generator: torch.Generator | None = None,
        num_inference_steps: int = 3,
        height: int = 16,
        width: int = 16,
    ) -> torch.Tensor:
        device = self._execution_device
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        shape = (1, height * width // 64, 8)
        latents = randn_tensor(shape, generator=generator, device=device, dtype=self.transformer.dtype)
        with self.progress_bar(total=num_inference_steps) as bar:
            for timestep in self.scheduler.timesteps:
                sample = self.scheduler.scale_model_input(latents, timestep)
                noise = self.transformer(sample, timestep)
                latents = self.scheduler.step(noise, timestep, latents, return_dict=False)[0]
                bar.update()
        return latents


def block_pipeline() -> BlockPipeline:
    pipeline = BlockPipeline(BlockModel(), EulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
