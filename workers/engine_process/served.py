"""One loaded model as the engine process serves it: its engine, how it is called, what becomes of its outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.engine.config import OmniDiffusionConfig
from workers.engine.engine import DiffusionEngine
from workers.engine.request import DiffusionOutput, EngineEvent, OmniDiffusionRequest
from workers.engine_process.describe import Description, Rates
from workers.engine_process.extras import spool_tensors
from workers.engine_process.messages import RenderRequest
from workers.engine_process.outputs import spool_output
from workers.engine_process.requests import engine_request
from workers.engine_process.spool import SpoolFile
from workers.processing import Processing
from workers.registry import ModelRow


@dataclass(frozen=True)
class ServedModel:
    """What one model needs at run time besides its engine, which may sleep or be gone."""

    row: ModelRow
    processing: Processing
    description: Description

    @classmethod
    def load(
        cls,
        row: ModelRow,
        od_config: OmniDiffusionConfig,
        on_event: Callable[[EngineEvent], None],
        on_batch: Callable[[tuple[str, ...]], None],
    ) -> tuple[DiffusionEngine, ServedModel]:
        """Load the model; raises whatever its loading raises."""
        engine = DiffusionEngine(od_config, on_event, on_batch)
        return engine, cls.of(row, engine)

    @classmethod
    def of(cls, row: ModelRow, engine: DiffusionEngine) -> ServedModel:
        """The model that this engine holds, loaded as the row says."""
        description: Description = engine.collective_rpc("describe", args=(row,), unique_reply_rank=0)
        return cls(row, Processing(row.engine_config()), description)

    def read(self, request: RenderRequest) -> OmniDiffusionRequest:
        """A request as the engine takes it; raises what is wrong with it."""
        return self.processing.prepare(engine_request(request, time.monotonic(), self.description.style))

    def rates_of(self, parameters: Mapping[str, Any]) -> Rates:
        """How fast the output of a request with these parameters is to be played."""
        return self.description.rates(parameters, self.row.frame_rate)

    def spool(self, output: DiffusionOutput, folder: Path, rates: Rates) -> tuple[SpoolFile, ...]:
        """The media of an output as files, and its tensors, if it has any, as one more.

        Raises:
            ValueError: it holds no media, or what is in it is not understood.
            ModerationBlocked: the operator's check, or the pipeline's own, refused it.
        """
        finished = self.processing.finish(output)
        files = spool_output(finished.output, folder, rates, self.processing.check)
        try:
            return files + spool_tensors(output, folder)
        except (ValueError, OSError):
            for file in files:
                file.remove()
            raise
