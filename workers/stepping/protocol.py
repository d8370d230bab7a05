"""The four-method contract of a pipeline that steps natively, and the loop that drives it inside a fiber.

The pipeline brings its own encode, denoise, scheduler and decode steps; the components it calls are the twins of
its clone, so its calls park and merge like those of any other pipeline. Contract of vllm-omni pull request 1368.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch

from omni_jobs.errors import Misconfigured
from workers.engine.request import DiffusionOutput, OmniDiffusionSamplingParams

METHODS = ("prepare_encode", "denoise_step", "step_scheduler", "post_decode")


@dataclass
class DiffusionRequestState:
    """Everything one request carries from step to step; nothing of it lives on the pipeline.

    Embeddings are (batch, tokens, channels), masks (batch, tokens); `latents` have the shape that the denoiser
    takes. `timesteps` is a vector; `scheduler` is the request's own copy. `extra` is the pipeline's to use.
    """

    request_id: str
    sampling: OmniDiffusionSamplingParams = field(default_factory=OmniDiffusionSamplingParams)
    prompt: str | list[str] | None = None
    negative_prompt: str | list[str] | None = None
    prompt_embeds: torch.Tensor | None = None
    prompt_embeds_mask: torch.Tensor | None = None
    negative_prompt_embeds: torch.Tensor | None = None
    negative_prompt_embeds_mask: torch.Tensor | None = None
    latents: torch.Tensor | None = None
    timesteps: torch.Tensor | None = None
    step_index: int = 0
    scheduler: Any = None
    do_true_cfg: bool = False
    guidance: torch.Tensor | None = None
    img_shapes: list[Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def total_steps(self) -> int:
        return 0 if self.timesteps is None else len(self.timesteps)

    @property
    def current_timestep(self) -> torch.Tensor | None:
        """The timestep of the step to do next; None before the first is known and after the last."""
        if self.timesteps is None or self.denoise_completed:
            return None
        return self.timesteps[self.step_index]

    @property
    def denoise_completed(self) -> bool:
        return self.step_index >= self.total_steps


class SupportsStepExecution(Protocol):
    """A pipeline that steps natively. A method may keep nothing on `self` that two requests could tell apart."""

    supports_step_execution: ClassVar[bool] = True

    def prepare_encode(self, state: DiffusionRequestState, **kwargs: Any) -> DiffusionRequestState:
        """Check, encode, draw latents, make timesteps and an own scheduler. `kwargs` are the call's arguments."""
        ...

    def denoise_step(self, state: DiffusionRequestState, **kwargs: Any) -> torch.Tensor | None:
        """The guided prediction of the step at `state.step_index`; None after an interrupt."""
        ...

    def step_scheduler(self, state: DiffusionRequestState, noise_pred: torch.Tensor, **kwargs: Any) -> None:
        """Move `state.latents` on with the state's own scheduler, and `state.step_index` by one."""
        ...

    def post_decode(self, state: DiffusionRequestState, **kwargs: Any) -> DiffusionOutput:
        """Decode the latents as they are."""
        ...


def supports_step_execution(pipeline: Any) -> bool:
    """Whether a pipeline says that it steps natively: by the flag's value, since adapters may carry mere names.

    Raises:
        Misconfigured: it says so and lacks one of the methods.
    """
    if getattr(pipeline, "supports_step_execution", False) is not True:
        return False
    missing = [name for name in METHODS if not callable(getattr(pipeline, name, None))]
    if missing:
        raise Misconfigured(
            f"{type(pipeline).__name__} sets `supports_step_execution` and has no `{missing[0]}`.",
            field="supports_step_execution",
            value=True,
            remedy=f"Define {', '.join(METHODS)}, or set the flag to False.",
        )
    return True


def drive(pipeline: Any, state: DiffusionRequestState, **kwargs: Any) -> DiffusionOutput:
    """Run a request through the four methods. An interrupt ends the loop; what is there is decoded."""
    state = pipeline.prepare_encode(state, **kwargs)
    with pipeline.progress_bar(total=state.total_steps) as progress:
        while not state.denoise_completed:
            reached = state.step_index
            noise_pred = pipeline.denoise_step(state)
            if noise_pred is None:
                break
            pipeline.step_scheduler(state, noise_pred)
            if state.step_index <= reached:
                raise Misconfigured(
                    f"{type(pipeline).__name__}.step_scheduler left `step_index` at {reached}.",
                    field="step_index",
                    value=state.step_index,
                    remedy="Add one to `state.step_index` in each `step_scheduler`.",
                )
            progress.update()
    output: DiffusionOutput = pipeline.post_decode(state)
    return output
