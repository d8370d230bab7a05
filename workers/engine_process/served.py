"""One loaded model as the engine process serves it: its engine, how it is called, what becomes of its outputs."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.engine.config import OmniDiffusionConfig
from workers.engine.engine import DiffusionEngine
from workers.engine.request import DiffusionOutput, EngineEvent
from workers.engine_process.describe import call_style, describe, pipeline_of
from workers.engine_process.messages import RenderRequest
from workers.engine_process.outputs import spool_output
from workers.engine_process.requests import CallStyle, engine_request
from workers.engine_process.spool import Kind, SpoolFile
from workers.processing import Processing
from workers.registry import ModelRow

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
class ServedModel:
    """What one model needs at run time. `facts` are what the worker is told when it is ready."""

    row: ModelRow
    engine: DiffusionEngine
    style: CallStyle
    processing: Processing
    facts: Mapping[str, Any]

    @classmethod
    def load(
        cls,
        row: ModelRow,
        od_config: OmniDiffusionConfig,
        on_event: Callable[[EngineEvent], None],
        on_batch: Callable[[tuple[str, ...]], None],
    ) -> ServedModel:
        """Load the model; raises whatever its loading raises."""
        engine = DiffusionEngine(od_config, on_event, on_batch)
        processing = Processing(od_config)
        return cls(row, engine, call_style(pipeline_of(engine)), processing, describe(row, engine))

    def submit(self, request: RenderRequest) -> None:
        """Hand a request to the engine; raises what is wrong with it."""
        self.engine.submit(self.processing.prepare(engine_request(request, time.monotonic(), self.style)))

    def rates_of(self, parameters: Mapping[str, Any]) -> Rates:
        """Frames and samples per second of what a request with these parameters makes, if they are known."""
        pipeline = pipeline_of(self.engine)
        rates = {"video": frame_rate(pipeline, parameters) or self.row.frame_rate, "audio": sample_rate(pipeline)}
        return {kind: float(rate) for kind, rate in rates.items() if rate}  # type: ignore[misc]

    def spool(self, output: DiffusionOutput, folder: Path, rates: Rates) -> tuple[SpoolFile, ...]:
        """The media of an output as files.

        Raises:
            ValueError: it holds none, or what is in it is not understood.
        """
        return spool_output(self.processing.finish(output).output, folder, rates)


def frame_rate(pipeline: Any, parameters: Mapping[str, Any]) -> float | None:
    """Frames per second that a call with these parameters is meant for."""
    signature = inspect.signature(type(pipeline).__call__).parameters
    for name in FRAME_RATES:
        if name in signature and isinstance(rate := parameters.get(name, signature[name].default), int | float):
            return float(rate)
    return None


def sample_rate(pipeline: Any) -> float | None:
    """Samples per second that a pipeline makes, as its components say."""
    for component, entry in SAMPLE_RATES:
        rate = getattr(getattr(getattr(pipeline, component, None), "config", None), entry, None)
        if isinstance(rate, int | float):
            return float(rate)
    return None
