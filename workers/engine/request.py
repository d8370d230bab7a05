"""A request: one output of an attempt inside an engine, what comes out of it, and what the engine tells of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from workers.engine.calls import Checkpoint, Lane


def _new_request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


@dataclass(frozen=True)
class LoRARequest:
    """A LoRA adapter: a `.safetensors` file, and how strongly it acts.

    Named as in vLLM, whose `lora_int_id` tells adapters apart; here the file does.
    """

    lora_name: str
    lora_int_id: int = 0
    lora_path: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class OmniDiffusionSamplingParams:
    """How to sample. `None` leaves a value to the model's defaults; sizes are pixels.

    `lora_request` is one adapter or several, in order; `lora_scale` takes the place of the scale of each.
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
    lora_request: LoRARequest | Sequence[LoRARequest] | None = None
    lora_scale: float | None = None
    extra_args: Mapping[str, Any] = field(default_factory=dict)

    def to_arguments(self) -> dict[str, Any]:
        """Keyword arguments of a pipeline call, without what the engine sees to itself."""
        given = {name: getattr(self, name) for name in sorted(ARGUMENTS)}
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra_args)

    @property
    def loras(self) -> tuple[LoRARequest, ...]:
        """The adapters, each with the scale that counts."""
        asked = self.lora_request
        listed = () if asked is None else (asked,) if isinstance(asked, LoRARequest) else tuple(asked)
        return listed if self.lora_scale is None else tuple(replace(one, scale=self.lora_scale) for one in listed)


#: Sampling parameters that are arguments of a pipeline's call as they stand.
ARGUMENTS = {item.name for item in fields(OmniDiffusionSamplingParams)} - {
    "seed", "generator", "num_outputs_per_prompt", "lora_request", "lora_scale", "extra_args",
}  # fmt: skip


@dataclass(frozen=True)
class OmniDiffusionRequest:
    """One output to make.

    `images`, `mask` and `inputs` (further pictures, by the pipeline's argument names) are decoded. `arguments`,
    when given, are the pipeline call's own keyword arguments and win over all else. `deadline` is on the engine's
    monotonic clock, in seconds. `resumable`: checkpoints of it may be asked for. `checkpoint` is one from which it
    goes on.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    images: tuple[Any, ...] = ()
    mask: Any = None
    inputs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sampling_params: OmniDiffusionSamplingParams = OmniDiffusionSamplingParams()
    arguments: Mapping[str, Any] | None = None
    request_id: str = field(default_factory=_new_request_id)
    priority: int = 5
    deadline: float | None = None
    deterministic: bool = False
    preview: bool = False
    resumable: bool = False
    checkpoint: bytes | None = field(default=None, repr=False)

    @property
    def prompts(self) -> list[dict[str, Any]]:
        """The prompt as classes of vLLM-Omni's contract read it: a list of one mapping."""
        media: dict[str, Any] = {}
        if self.images:
            media["image"] = self.images[0] if len(self.images) == 1 else list(self.images)
        if self.mask is not None:
            media["mask"] = self.mask
        media |= {name: given[0] if len(given) == 1 else list(given) for name, given in self.inputs.items()}
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
class RequestResumed:
    """A request that came with a checkpoint goes on from `step`, or begins again because it was `refused`."""

    request_id: str
    step: int
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class RequestCheckpoint:
    """A request was saved with `step` iterations done; it runs on, unless it is being handed back.

    `seconds` is how long the device waited for that.
    """

    request_id: str
    step: int
    checkpoint: Checkpoint
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RequestNotSaved:
    """A checkpoint was due and could not be taken; the request is well."""

    request_id: str
    reason: str


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


EngineEvent = (
    RequestProgress
    | RequestPreview
    | RequestResumed
    | RequestCheckpoint
    | RequestNotSaved
    | RequestFinished
    | RequestFailed
    | RequestCanceled
)
