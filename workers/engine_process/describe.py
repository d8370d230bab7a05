"""What a freshly loaded model tells the worker: its public card, its device and the versions that made it.

Whoever holds the pipeline calls it: a rank's worker, or the simulated device.
"""

from __future__ import annotations

import inspect
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workers.cards import derive_card, tuple_parameters
from workers.engine_process.requests import CallStyle
from workers.engine_process.spool import Kind
from workers.footprint import weight_bytes, why_sleepless
from workers.pictures import has_ip_adapter
from workers.registry import ModelRow

PACKAGES = ("omni-jobs", "torch", "diffusers", "transformers")
#: Attributes of pipelines that say for how many pixels a side of a latent stands.
SIDE_MULTIPLES = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
#: Arguments that say how fast a clip is to be played; the first that a request or the pipeline has counts.
FRAME_RATES = ("frame_rate", "fps")
#: Components, and entries of their configuration, that say how many samples make a second of sound.
SAMPLE_RATES = (
    ("vocoder", "output_sampling_rate"),
    ("vocoder", "sampling_rate"),
    ("vae", "sampling_rate"),
    ("vae", "sample_rate"),
)

Rates = Mapping[Kind, float]


@dataclass(frozen=True)
class Description:
    """What a worker must know of a pipeline that lives elsewhere.

    `facts` are for the `ready` message, plain JSON. `frees_by_sleeping`: its weights can be moved off its device,
    and that is not the host's memory already. `style` is how it wants to be called. `frame_rates` are the
    arguments that say how fast a clip is to be played, with their defaults; `sample_rate` is that of its sound.
    """

    facts: Mapping[str, Any]
    weight_bytes: int
    frees_by_sleeping: bool
    style: CallStyle
    frame_rates: Mapping[str, Any]
    sample_rate: float | None

    def rates(self, parameters: Mapping[str, Any], usual_frame_rate: float | None = None) -> Rates:
        """Frames and samples per second of what a call with these parameters makes, if they are known."""
        asked = [parameters.get(name, default) for name, default in self.frame_rates.items()]
        own = next((rate for rate in asked if isinstance(rate, int | float)), None)
        rates: dict[Kind, float | None] = {"video": own or usual_frame_rate, "audio": self.sample_rate}
        return {kind: float(rate) for kind, rate in rates.items() if rate}


def describe(row: ModelRow, pipeline: Any, simulated_bytes: int | None = None) -> Description:
    """Describe a loaded pipeline. A custom class that wraps one is called with what that takes."""
    pipeline = getattr(pipeline, "pipeline", pipeline)
    multiples = [getattr(pipeline, name, 1) for name in SIDE_MULTIPLES]
    multiple = max(one if isinstance(one, int) else 1 for one in multiples)
    card = derive_card(row, type(pipeline), multiple, has_ip_adapter(pipeline))
    device = str(getattr(pipeline, "device", "simulated"))
    return Description(
        facts={"card": card.model_dump(mode="json"), "device": device, "versions": versions()},
        weight_bytes=weight_bytes(pipeline) if simulated_bytes is None else simulated_bytes,
        frees_by_sleeping=device != "cpu" and why_sleepless(row) is None,
        style=call_style(pipeline),
        frame_rates=frame_rates(pipeline),
        sample_rate=sample_rate(pipeline),
    )


def call_style(pipeline: Any) -> CallStyle:
    """How to call this pipeline. It is asked for tensors: pictures are made of them off the engine's thread."""
    parameter = inspect.signature(type(pipeline).__call__).parameters.get("output_type")
    has_processor = any(hasattr(pipeline, name) for name in ("image_processor", "video_processor"))
    wants_tensors = parameter is not None and parameter.default == "pil" and has_processor
    return CallStyle({"output_type": "pt"} if wants_tensors else {}, tuple_parameters(type(pipeline)))


def frame_rates(pipeline: Any) -> dict[str, Any]:
    """The arguments of a pipeline's call that say how fast a clip is to be played, with their defaults."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    return {name: parameters[name].default for name in FRAME_RATES if name in parameters}


def sample_rate(pipeline: Any) -> float | None:
    """Samples per second that a pipeline makes, as its components say."""
    for component, entry in SAMPLE_RATES:
        rate = getattr(getattr(getattr(pipeline, component, None), "config", None), entry, None)
        if isinstance(rate, int | float):
            return float(rate)
    return None


def versions() -> dict[str, str]:
    """Versions of what decides a picture, as installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
