"""The runner's door to checkpoints: follows its requests, saves them, and takes saved ones up again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from workers.stepping.ambient import ProcessorOverlay
from workers.stepping.checkpoint.fingerprint import model_facts, request_facts
from workers.stepping.checkpoint.kinds import Kinds
from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.checkpoint.track import Ground, Saved, Snapshot, Track
from workers.stepping.clone import PipelineCloner
from workers.stepping.lockstep import ALONE, Lockstep

if TYPE_CHECKING:
    from workers.stepping.running import Running


class Keeper:
    """Checkpoints of one loaded pipeline's requests. None are saved or taken up if it spans several ranks."""

    def __init__(
        self, pipeline: Any, cloner: PipelineCloner, overlay: ProcessorOverlay, lockstep: Lockstep = ALONE
    ) -> None:
        self._pipeline = pipeline
        self._lockstep = lockstep
        self._modules = cloner.modules
        shared = {f"processor {place}": one for place, one in enumerate(overlay.baseline)}
        self._parts: dict[str, Any] = {**shared, **cloner.twins}

    def follow(
        self, running: Running, clone: Any, arguments: Mapping[str, Any], refused: str | None = None
    ) -> None:
        """Follow a request that has not begun, if checkpoints of it may be asked for or it came with one.

        `refused` says why its checkpoint turned out to be no good.
        """
        request, fiber = running.request, running.fiber
        if fiber is None or not (request.resumable or request.checkpoint is not None):
            return
        kinds = Kinds(type(clone).__module__.partition(".")[0], frozenset({id(clone)}))
        facts = self._model_facts | request_facts(request, arguments)
        ground = Ground(kinds, self._parts, facts, tuple(_generators(arguments)))
        saved = None
        if request.checkpoint is not None:
            try:
                self._check(running)
                saved = Saved(request.checkpoint, facts)
            except Refused as wrong:
                refused = str(wrong)
        running.track = Track(fiber, ground, saved, refused)

    def take(self, running: Running) -> Snapshot:
        """Save a parked request.

        Raises:
            Refused: it cannot be saved here.
        """
        if running.track is None:
            raise Refused("the request is not resumable")
        self._check(running)
        return running.track.take(running.step, running.steps)

    @cached_property
    def _model_facts(self) -> dict[str, str]:
        return model_facts(self._pipeline, self._modules)

    def _check(self, running: Running) -> None:
        """Refuse what a cache decides: those of hooks belong to nobody, and a request's own is not saved.

        And what several ranks hold: one that refused what another takes up would come apart from it.
        """
        if self._lockstep is not ALONE:
            raise Refused("it spans several devices")
        if running.cache is not None:
            raise Refused("its step cache is not saved")
        for name, module in self._modules.items():
            if getattr(module, "is_cache_enabled", False) or any(_stateful_hooks(module)):
                raise Refused(f"{name} caches between its calls")


def _stateful_hooks(module: nn.Module) -> Iterator[str]:
    for part in module.modules():
        registry = getattr(part, "_diffusers_hook", None)
        for name, hook in getattr(registry, "hooks", {}).items():
            if getattr(hook, "_is_stateful", False):
                yield name


def _generators(arguments: Mapping[str, Any]) -> Iterator[tuple[torch.Generator, torch.Tensor]]:
    """The generators that a caller gave, with their states: a run that begins again needs them as they were."""
    for value in arguments.values():
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, torch.Generator):
                yield item, item.get_state()
