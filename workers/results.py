"""What `Omni.generate` returns, in the shape that users of vLLM-Omni read: `results[i].outputs[0].images`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.engine.request import DiffusionOutput, OmniDiffusionRequest
from workers.engine_process.outputs import FIELDS
from workers.prompts import Asked


@dataclass
class OmniOutput:
    """One output of one prompt.

    `images` are pictures, clips or sounds as the pipeline returned them, one each. `metrics` holds calls,
    calls_saved, shared_calls, forwards (this output's share of them), max_batch, device_seconds, and
    trajectory_timesteps and trajectory_latents if the pipeline gave them. `latents` are those of the trajectory,
    else the pipeline's own.
    What its first picture can do, it can: `output.save("cat.png")`, `output.size`.
    """

    request_id: str
    seed: int | None = None
    images: list[Any] = field(default_factory=list)
    latents: Any = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    def __getattr__(self, name: str) -> Any:
        images = self.__dict__.get("images")
        if not images or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(images[0], name)


@dataclass
class OmniRequestOutput:
    """All outputs of one prompt; at least one, which carries `error` if there is nothing else to carry."""

    request_id: str
    prompt: Any
    outputs: list[OmniOutput]
    error: str | None = None

    @property
    def request_output(self) -> list[OmniOutput]:
        """The same outputs, by the name of vLLM-Omni's stage results."""
        return self.outputs

    @property
    def images(self) -> list[Any]:
        """The pictures of all outputs."""
        return [image for output in self.outputs for image in output.images]


def result_of(asked: Asked, ended: Mapping[str, DiffusionOutput | BaseException]) -> OmniRequestOutput:
    """The result of one prompt from the ends of its requests."""
    if asked.error is not None:
        text = _text(asked.error)
        return OmniRequestOutput(asked.request_id, asked.prompt, [OmniOutput(asked.request_id, error=text)], text)
    outputs = [_output(request, ended[request.request_id]) for request in asked.requests]
    error = next((output.error for output in outputs if output.error is not None), None)
    return OmniRequestOutput(asked.request_id, asked.prompt, outputs, error)


def _output(request: OmniDiffusionRequest, end: DiffusionOutput | BaseException) -> OmniOutput:
    result = OmniOutput(request.request_id, request.sampling_params.seed)
    if isinstance(end, BaseException):
        result.error = _text(end)
        return result
    result.metrics = dict(end.metrics)
    for name in ("trajectory_timesteps", "trajectory_latents"):
        if getattr(end, name) is not None:
            result.metrics[name] = getattr(end, name)
    media = _media(end.output)
    if request.sampling_params.extra_args.get("output_type") == "latent":
        result.latents = media
    else:
        result.images = _listed(media)
        result.latents = getattr(end.output, "latents", None)
    if end.trajectory_latents is not None:
        result.latents = end.trajectory_latents
    return result


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _media(value: Any) -> Any:
    """The pictures, clips or sounds in whatever a pipeline returned."""
    for name in FIELDS:
        found = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if found is not None:
            return found
    return value[0] if isinstance(value, tuple) and value else value


def _listed(media: Any) -> list[Any]:
    if media is None:
        return []
    if isinstance(media, list) or getattr(media, "ndim", 0) >= 4:
        return list(media)
    return [media]
