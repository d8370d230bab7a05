"""A request: one output of an attempt inside an engine, what comes out of it, and what the engine tells of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from workers.engine.calls import Lane


def _new_request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


@dataclass(frozen=True)
class OmniDiffusionSamplingParams:
    """How to sample. `None` leaves a value to the model's defaults; sizes are pixels.

    `extra_args` are further keyword arguments of the pipeline's call, by diffusers' names.
    """

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    true_cfg_scale: float | None = None
    height: int | None = None
    width: int | None = None
    num_frames: int | None = None
    strength: float | None = None
    seed: int | None = None
    num_outputs_per_prompt: int = 1
    max_sequence_length: int | None = None
    generator: Any = None
    extra_args: Mapping[str, Any] = field(default_factory=dict)

    def to_arguments(self) -> dict[str, Any]:
        """Keyword arguments of a pipeline call, without seed, generator and number of outputs."""
        own = {"seed", "generator", "num_outputs_per_prompt", "extra_args"}
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in own}
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra_args)


@dataclass(frozen=True)
class OmniDiffusionRequest:
    """One output to make.

    `images` and `mask` are what the pipeline takes (decoded pictures, or paths of spool files before the runner
    reads them). `arguments`, when given, are the pipeline call's own keyword arguments and win over all else.
    `deadline` is on the engine's monotonic clock, in seconds.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    images: tuple[Any, ...] = ()
    mask: Any = None
    sampling_params: OmniDiffusionSamplingParams = OmniDiffusionSamplingParams()
    arguments: Mapping[str, Any] | None = None
    request_id: str = field(default_factory=_new_request_id)
    priority: int = 5
    deadline: float | None = None
    deterministic: bool = False
    preview: bool = False

    @property
    def prompts(self) -> list[dict[str, Any]]:
        """The prompt as classes of vLLM-Omni's contract read it: a list of one mapping."""
        media: dict[str, Any] = {}
        if self.images:
            media["image"] = self.images[0] if len(self.images) == 1 else list(self.images)
        if self.mask is not None:
            media["mask"] = self.mask
        return [{"prompt": self.prompt, "negative_prompt": self.negative_prompt, "multi_modal_data": media}]


@dataclass
class DiffusionOutput:
    """What a request produced: the pipeline's own output object, or `error`."""

    output: Any = None
    trajectory_timesteps: Any = None
    trajectory_latents: Any = None
    error: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """A request passed a call; `step` of `steps` denoising iterations are done."""

    request_id: str
    lane: Lane
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """A small picture of a request under way, for requests with `preview`; droppable.

    `rgb` holds height x width x 3 bytes, row by row.
    """

    request_id: str
    step: int
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """Terminal: `output.metrics` holds calls, shared_calls, forwards (its share of them), max_batch, seconds."""

    request_id: str
    output: DiffusionOutput


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """Terminal: the error is the request's own."""

    request_id: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class RequestCanceled:
    """Terminal: dropped at a call boundary."""

    request_id: str


EngineEvent = RequestProgress | RequestPreview | RequestFinished | RequestFailed | RequestCanceled
