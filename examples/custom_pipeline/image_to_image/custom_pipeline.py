"""A custom pipeline: the model's own edit, with the path of its latents recorded step by step."""

from typing import Any

import torch

from workers.engine import DiffusionOutput, OmniDiffusionConfig, OmniDiffusionRequest
from workers.models.adapter import DiffusersAdapterPipeline


class CustomPipeline(DiffusersAdapterPipeline):
    """`self.pipeline` is the unmodified diffusers pipeline of the model; requests still share its forwards."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        super().__init__(od_config=od_config, prefix=prefix)

    def forward(
        self,
        req: OmniDiffusionRequest,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        **kwargs: Any,
    ) -> DiffusionOutput:
        timesteps: list[torch.Tensor] = []
        latents: list[torch.Tensor] = []

        def record(_pipeline: Any, _step: int, timestep: torch.Tensor, given: dict[str, Any]) -> dict[str, Any]:
            timesteps.append(timestep.float())
            latents.append(given["latents"].clone())
            return {}

        output = super().forward(
            req, prompt=prompt, negative_prompt=negative_prompt, callback_on_step_end=record, **kwargs
        )
        output.trajectory_timesteps = torch.stack(timesteps)
        output.trajectory_latents = torch.stack(latents)
        return output
