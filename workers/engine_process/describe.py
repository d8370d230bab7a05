"""What a freshly loaded model tells the worker: its public card, its device and the versions that made it."""

from __future__ import annotations

import inspect
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workers.cards import derive_card, tuple_parameters
from workers.engine.engine import DiffusionEngine
from workers.engine_process.requests import CallStyle
from workers.registry import ModelRow

PACKAGES = ("omni-jobs", "torch", "diffusers", "transformers")
#: Attributes of pipelines that say for how many pixels a side of a latent stands.
SIDE_MULTIPLES = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")


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
    pipeline = pipeline_of(engine)
    multiples = [getattr(pipeline, name, 1) for name in SIDE_MULTIPLES]
    multiple = max(one if isinstance(one, int) else 1 for one in multiples)
    card = derive_card(row, type(pipeline), side_multiple=multiple)
    device = str(getattr(pipeline, "device", "simulated"))
    return {"card": card.model_dump(mode="json"), "device": device, "versions": versions()}


def pipeline_of(engine: DiffusionEngine) -> Any:
    """The pipeline that an engine runs; a stand-in with the right signature for the simulated device.

    A custom class that wraps a pipeline is called with what that takes, and described by it.
    """
    runner = getattr(engine.executor, "model_runner", None)
    return SimulatedPipeline() if runner is None else getattr(runner.pipeline, "pipeline", runner.pipeline)


def call_style(pipeline: Any) -> CallStyle:
    """How to call this pipeline. It is asked for tensors: pictures are made of them off the engine's thread."""
    parameter = inspect.signature(type(pipeline).__call__).parameters.get("output_type")
    has_processor = any(hasattr(pipeline, name) for name in ("image_processor", "video_processor"))
    wants_tensors = parameter is not None and parameter.default == "pil" and has_processor
    return CallStyle({"output_type": "pt"} if wants_tensors else {}, tuple_parameters(type(pipeline)))


def versions() -> dict[str, str]:
    """Versions of what decides a picture, as installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
