"""Pictures of a request under way, for requests that ask for them: small, linear, at most two a second.

The request's own noise scheduler is watched: its step knows the guided prediction, so previews show what is being
made and cost no call. The runner makes one Previewer, and a Watch for each request that asks.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
import torch
from diffusers import DiffusionPipeline
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

from workers.engine.calls import Preview
from workers.engine.request import OmniDiffusionRequest
from workers.stepping.clean_latent import clean_latent
from workers.stepping.latent_colors import LatentColors

log = structlog.get_logger(__name__)

#: Least time between two previews of a request.
INTERVAL_SECONDS = 0.5


class Watch:
    """The previews of one request; `take` gives the latest once."""

    def __init__(self, colors: LatentColors, ratio: float, clock: Callable[[], float]) -> None:
        self._colors = colors
        self._ratio = ratio
        self._clock = clock
        self._next_at = float("-inf")
        self._picture: torch.Tensor | None = None

    def take(self, step: int) -> Preview | None:
        """The picture painted since the last time, as that of `step`."""
        picture, self._picture = self._picture, None
        if picture is None:
            return None
        height, width, _ = picture.shape
        return Preview(step, width, height, picture.numpy().tobytes())

    def see(self, scheduler: Any, arguments: inspect.BoundArguments, result: Any) -> None:
        """Paint what this step predicts, if it is time."""
        if self._clock() < self._next_at:
            return
        try:
            latent = clean_latent(scheduler, arguments.arguments, result)
            self._picture = None if latent is None else self._colors.paint(latent, self._ratio)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            # A picture that nobody keeps must not fail the job.
            log.warning("preview failed", scheduler=type(scheduler).__name__, error=str(error))
        self._next_at = self._clock() + INTERVAL_SECONDS


class Previewer:
    """Previews for the requests of one pipeline; its colours are fitted when the first request asks."""

    def __init__(self, modules: Mapping[str, nn.Module], clock: Callable[[], float] = time.monotonic) -> None:
        self._modules = modules
        self._clock = clock
        self._colors: LatentColors | None = None

    def watch(self, clone: Any, request: OmniDiffusionRequest, arguments: Mapping[str, Any]) -> Watch:
        """Watch the schedulers of a request's copy of the pipeline."""
        self._colors = self._colors or LatentColors(self._modules)
        watch = Watch(self._colors, _ratio(request, arguments), self._clock)
        for scheduler in _schedulers(clone, set()):
            kind = type(scheduler)
            scheduler.__class__ = _kinds[kind] = _kinds.get(kind) or _watched(kind)
            # A function, not a method: a scheduler that is deep-copied takes it along, and not the watch.
            scheduler.__dict__["_preview_see"] = lambda *seen: watch.see(*seen)
        return watch


_kinds: dict[type, type] = {}


def _watched(kind: Any) -> type:
    """The scheduler class with a step that is seen. Pipelines read the signature of `step`: it stays."""
    plain = kind.step
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        result = plain(scheduler, *args, **kwargs)
        scheduler._preview_see(scheduler, signature.bind(scheduler, *args, **kwargs), result)
        return result

    return type(kind.__name__, (kind,), {"step": step, "__module__": kind.__module__, "__doc__": kind.__doc__})


def _schedulers(pipeline: Any, seen: set[int]) -> Iterator[Any]:
    """The noise schedulers of a pipeline and of those inside it."""
    for value in vars(pipeline).values():
        if id(value) in seen:
            continue
        if isinstance(value, SchedulerMixin):
            seen.add(id(value))
            yield value
        elif isinstance(value, DiffusionPipeline):
            seen.add(id(value))
            yield from _schedulers(value, seen)


def _ratio(request: OmniDiffusionRequest, arguments: Mapping[str, Any]) -> float:
    """Height by width of what is asked for, or of the picture it starts from; 1 if nothing says."""
    height = arguments.get("height") or request.sampling_params.height
    width = arguments.get("width") or request.sampling_params.width
    if not (height and width):
        images = arguments.get("image", request.images or None)
        first = images[0] if isinstance(images, list | tuple) and images else images
        size = getattr(first, "size", None)
        width, height = size if isinstance(size, tuple) and len(size) == 2 else (1, 1)
    return float(height) / float(width)
