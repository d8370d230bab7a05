"""A loaded pipeline as the options see it: its denoisers, its VAEs, and the device they run on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import nn

from omni_jobs.errors import Misconfigured
from workers.engine.calls import Lane
from workers.stepping.clone import PipelineCloner
from workers.stepping.lanes import lane_of


class Parts:
    """The modules of a pipeline, and of those inside it, by their dotted names."""

    def __init__(self, pipeline: Any, device: torch.device | None = None) -> None:
        self.pipeline = pipeline
        self._device = device
        self.modules = PipelineCloner(pipeline).modules

    @cached_property
    def denoisers(self) -> dict[str, Any]:
        """The modules whose calls are denoise calls.

        Raises:
            Misconfigured: there is none.
        """
        found = {
            name: module
            for name, module in self.modules.items()
            if lane_of(name, module, "__call__") is Lane.DENOISE and next(module.parameters(), None) is not None
        }
        if not found:
            raise Misconfigured(
                f"{type(self.pipeline).__name__} has no denoiser to accelerate.", field="acceleration"
            )
        return found

    def vaes(self, attribute: str) -> list[Any]:
        """The autoencoders that have this attribute, such as `use_tiling`.

        Raises:
            NotImplementedError: there is none.
        """
        found = [module for module in self.modules.values() if hasattr(module, attribute)]
        if not found:
            raise NotImplementedError(f"{type(self.pipeline).__name__} has no VAE with `{attribute}`")
        return found

    @property
    def device(self) -> torch.device:
        """Where forwards run: not where the weights lie, if they are to be offloaded."""
        if self._device is not None:
            return self._device
        weight: torch.Tensor = next(next(iter(self.denoisers.values())).parameters())
        return weight.device

    @staticmethod
    def dtype_of(module: nn.Module) -> torch.dtype:
        """The dtype in which a module computes."""
        dtype = getattr(module, "dtype", None)
        return dtype if isinstance(dtype, torch.dtype) else next(module.parameters()).dtype
