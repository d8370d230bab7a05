"""Qwen-Image's native steps with what a request through vLLM may add: a picture to edit, and a later first step.

Used by `QwenImageRunnerAdapter`. All else, noise scheduler and guidance included, is `QwenImageStepPipeline`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from workers.models.qwen_image import QwenImageStepPipeline
from workers.stepping.protocol import DiffusionRequestState


class ConditionedStepPipeline(QwenImageStepPipeline):
    """`prepare_encode` takes two more arguments.

    `control` are packed latents (rows, tokens, channels) of a picture with `control_shape`: they follow the noisy
    ones in the denoiser's sequence, as in QwenImageEditPipeline. `strength` leaves out the first steps, as in
    QwenImageImg2ImgPipeline.
    """

    @torch.no_grad()
    def prepare_encode(
        self,
        state: DiffusionRequestState,
        *,
        control: torch.Tensor | None = None,
        control_shape: tuple[int, int, int] | None = None,
        strength: float = 1.0,
        **kwargs: Any,
    ) -> DiffusionRequestState:
        state = super().prepare_encode(state, **kwargs)
        state.extra["control"] = control
        if control is not None:
            assert state.img_shapes is not None
            state.img_shapes = [[*shapes, control_shape] for shapes in state.img_shapes]
        first = first_step(state.total_steps, strength)
        assert state.timesteps is not None
        state.timesteps = state.timesteps[first * state.scheduler.order :]
        state.scheduler.set_begin_index(first * state.scheduler.order)
        return state

    def _predict(self, state: DiffusionRequestState, *args: Any, **kwargs: Any) -> torch.Tensor:
        assert state.latents is not None
        control = state.extra["control"]
        if control is None:
            return super()._predict(state, *args, **kwargs)
        joined = replace(state, latents=torch.cat([state.latents, control.to(state.latents)], dim=1))
        return super()._predict(joined, *args, **kwargs)[:, : state.latents.shape[1]]


def first_step(steps: int, strength: float) -> int:
    """Where denoising begins, by the rule of diffusers' `get_timesteps`."""
    return int(max(steps - min(steps * strength, steps), 0))
