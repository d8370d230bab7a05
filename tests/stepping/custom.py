"""Custom classes as operators would write them, in both shapes; `test_dialect` names them by their paths."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers import QwenImagePipeline
from torch import nn

from tests.stepping.pipelines import Denoiser
from workers.engine import DiffusionOutput, OmniDiffusionConfig, OmniDiffusionRequest
from workers.models.adapter import DiffusersAdapterPipeline


class CustomPipeline(DiffusersAdapterPipeline):
    """The custom pipeline of the extension guide, rewritten: the same but for its base."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        super().__init__(od_config=od_config, prefix=prefix)

    def forward(
        self,
        req: OmniDiffusionRequest,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        **kwargs: Any,
    ) -> DiffusionOutput:
        output = super().forward(req=req, prompt=prompt, negative_prompt=negative_prompt, **kwargs)
        actual_num_steps = req.sampling_params.num_inference_steps or kwargs.get("num_inference_steps", 50)
        output.trajectory_timesteps = torch.linspace(1000, 0, actual_num_steps, dtype=torch.float32)
        output.trajectory_latents = torch.ones(actual_num_steps, 1, 16, 64, 64, dtype=torch.float32)
        return output


class UpsideDown(QwenImagePipeline):
    """A diffusers subclass."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = super().__call__(*args, **kwargs)
        output.images = [image.flip(-2) for image in output.images]
        return output

    vars()["__call__"].__signature__ = inspect.signature(QwenImagePipeline.__call__)


class ModuleContract(nn.Module):
    """The contract on a torch module, whose components are submodules."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        super().__init__()
        self.denoiser = Denoiser()
        self.wants = od_config.model

    @torch.no_grad()
    def forward(self, req: OmniDiffusionRequest) -> DiffusionOutput:
        prompt = req.prompts[0]["prompt"]
        if prompt == "fail":
            return DiffusionOutput(error="this prompt is not wanted")
        generator = torch.Generator().manual_seed(req.sampling_params.seed or 0)
        latents = torch.randn(1, 8, generator=generator)
        for step in range(req.sampling_params.num_inference_steps or 3):
            latents = latents - 0.1 * self.denoiser(latents, torch.tensor(float(step)))
        return DiffusionOutput(output=latents)


class Doubled(ModuleContract):
    """The same with other outputs."""

    def forward(self, req: OmniDiffusionRequest) -> DiffusionOutput:
        return DiffusionOutput(output=super().forward(req).output * 2)


class Unloadable(ModuleContract):
    """Looks right and does not load."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        raise MemoryError("no room for it")


NOT_A_CLASS = 7
