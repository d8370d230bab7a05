"""A worker extension that loads one model after another, spread as asked, and tells what each rank really does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch


class Spreading:
    """Added to the worker of each rank."""

    def become(self: Any, model: str, parallel_config: dict[str, int], kind: str | None = None) -> None:
        """Load another model, or the same one spread otherwise, as this pipeline class."""
        self.unload_model()
        changed = {"model": model, "model_class_name": kind, "parallel_config": parallel_config}
        self.load_model(replace(self.od_config, load_format="default", **changed))
        self.rows_seen = list[int]()

    def watch(self: Any, path: str) -> None:
        """From now on note the rows of each call of this submodule of the pipeline."""
        component, _, rest = path.partition(".")
        module = getattr(self.model_runner.pipeline, component).get_submodule(rest)
        module.register_forward_pre_hook(lambda _module, args: self.rows_seen.append(len(args[0])))

    def rows(self: Any) -> list[int]:
        """What `watch` has noted since it was last asked."""
        found, self.rows_seen = self.rows_seen, []
        return list(found)

    def weight_elements(self: Any, path: str) -> int:
        """How many elements of this weight lie on this rank."""
        component, _, rest = path.partition(".")
        weight = getattr(self.model_runner.pipeline, component).get_parameter(rest)
        return int(weight.to_local().numel()) if hasattr(weight, "to_local") else int(weight.numel())

    @torch.no_grad()
    def decode(self: Any, latents: torch.Tensor) -> torch.Tensor:
        """A picture, by the pipeline's autoencoder."""
        picture: torch.Tensor = self.model_runner.pipeline.vae.decode(latents, return_dict=False)[0]
        return picture
