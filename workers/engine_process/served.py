"""One loaded model as the engine process serves it: its engine, how it is called, what becomes of its outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.engine.config import OmniDiffusionConfig
from workers.engine.engine import DiffusionEngine
from workers.engine.request import DiffusionOutput, EngineEvent
from workers.engine_process.describe import Description
from workers.engine_process.extras import spool_tensors
from workers.engine_process.messages import RenderRequest
from workers.engine_process.outputs import spool_output
from workers.engine_process.requests import engine_request
from workers.engine_process.spool import Kind, SpoolFile
from workers.processing import Processing
from workers.registry import ModelRow

Rates = Mapping[Kind, float]


@dataclass(frozen=True)
class ServedModel:
    """What one model needs at run time."""

    row: ModelRow
    engine: DiffusionEngine
    processing: Processing
    description: Description

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
        description: Description = engine.collective_rpc("describe", args=(row,), unique_reply_rank=0)
        return cls(row, engine, Processing(od_config), description)

    def submit(self, request: RenderRequest) -> None:
        """Hand a request to the engine; raises what is wrong with it."""
        taken = engine_request(request, time.monotonic(), self.description.style)
        self.engine.submit(self.processing.prepare(taken))

    def rates_of(self, parameters: Mapping[str, Any]) -> Rates:
        """Frames and samples per second of what a request with these parameters makes, if they are known."""
        asked = [parameters.get(name, default) for name, default in self.description.frame_rates.items()]
        own = next((rate for rate in asked if isinstance(rate, int | float)), None)
        rates = {"video": own or self.row.frame_rate, "audio": self.description.sample_rate}
        return {kind: float(rate) for kind, rate in rates.items() if rate}  # type: ignore[misc]

    def spool(self, output: DiffusionOutput, folder: Path, rates: Rates) -> tuple[SpoolFile, ...]:
        """The media of an output as files, and its tensors, if it has any, as one more.

        Raises:
            ValueError: it holds no media, or what is in it is not understood.
        """
        files = spool_output(self.processing.finish(output).output, folder, rates)
        try:
            return files + spool_tensors(output, folder)
        except (ValueError, OSError):
            for file in files:
                file.remove()
            raise
