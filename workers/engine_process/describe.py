"""What a freshly loaded model tells the worker: its public card, its device and the versions that made it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workers.cards import derive_card
from workers.engine.engine import DiffusionEngine
from workers.registry import ModelRow

PACKAGES = ("omni-jobs", "torch", "diffusers", "transformers")


class SimulatedPipeline:
    """A device with simulated cost: the picture depends on prompt and seed alone."""

    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        image: list[Any] | None = None,
        width: int = 64,
        height: int = 64,
        num_inference_steps: int = 4,
        guidance_scale: float = 1.0,
    ) -> None:
        """Never called; its signature is the simulated model's card."""


def describe(row: ModelRow, engine: DiffusionEngine) -> dict[str, Any]:
    """Facts for the `ready` message, plain JSON."""
    if row.is_simulated:
        card, device = derive_card(row, SimulatedPipeline), "simulated"
    else:
        pipeline_class = engine.collective_rpc("pipeline_class", unique_reply_rank=0)
        card = derive_card(row, pipeline_class)
        device = str(engine.collective_rpc("device_name", unique_reply_rank=0))
    return {"card": card.model_dump(mode="json"), "device": device, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of what decides a picture, as installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
