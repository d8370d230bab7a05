"""A request as it came over the pipe, turned into what the engine takes. Runs in the engine process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from workers.engine.request import ARGUMENTS, OmniDiffusionRequest, OmniDiffusionSamplingParams
from workers.engine_process.messages import RenderRequest
from workers.engine_process.spool import SpoolFile

#: Pillow's mode by number of channels.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class CallStyle:
    """How a pipeline wants to be called: arguments that every request gets, and those that must be tuples."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    tuples: frozenset[str] = frozenset()


def engine_request(request: RenderRequest, now: float, style: CallStyle) -> OmniDiffusionRequest:
    """Read the request's pictures and place its deadline on the engine's clock, where it is `now`."""
    given: dict[str, Any] = {
        name: tuple(value) if name in style.tuples and isinstance(value, list) else value
        for name, value in request.parameters.items()
    }
    own = {name: value for name, value in given.items() if name in ARGUMENTS}
    others = {name: value for name, value in given.items() if name not in ARGUMENTS}
    sampling = OmniDiffusionSamplingParams(
        **own, seed=request.seed, lora_request=request.loras, extra_args={**others, **style.extra}
    )
    return OmniDiffusionRequest(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        images=tuple(picture(file) for file in request.images),
        mask=picture(request.mask) if request.mask else None,
        inputs={name: tuple(picture(file) for file in files) for name, files in request.inputs.items()},
        sampling_params=sampling,
        request_id=request.request_id,
        priority=request.priority,
        deadline=None if request.remaining_seconds is None else now + request.remaining_seconds,
        deterministic=request.deterministic,
        preview=request.preview,
        checkpoint=request.checkpoint.take() if request.checkpoint else None,
    )


def picture(file: SpoolFile) -> Any:
    """A spooled picture as Pillow's image; the file is removed."""
    height, width, channels = file.shape
    return Image.frombytes(MODES[channels], (width, height), file.take())
