"""The model under examination: loaded once, called plainly and through the engine with the same requests."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from omni_jobs.schemas import ModelCard
from workers.arguments import arguments_for
from workers.cards import derive_card
from workers.engine import (
    DiffusionEngine,
    DiffusionOutput,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
)
from workers.engine_process.describe import Rates, call_style, describe
from workers.engine_process.outputs import spool_output
from workers.engine_process.spool import SpoolFile
from workers.loader import load_pipeline
from workers.processing import Processing, with_defaults
from workers.registry import ModelRow
from workers.runner import DiffusionModelRunner
from workers.stepping.contracts import run_of, takes_named_arguments
from workers.verification.compare import Arrays, arrays, bound_for, difference, nudging
from workers.verification.faults import finding_of
from workers.verification.finding import Finding

#: Prompts of different lengths, so that text is padded when requests share a forward.
PROMPTS = (
    "a cat",
    "a red fox in the snow",
    "two boats on a quiet river under a dark sky, seen from the bridge",
    "an old tower near the sea",
)
#: Steps of a check, unless the model asks otherwise: equality does not need more.
STEPS = 4
#: Names under which pipelines take guidance; the first that there is counts.
GUIDANCE = ("true_cfg_scale", "guidance_scale", "distilled_guidance_scale")


class Subject:
    """One model. `steps` of each request; sizes and the like are the row's defaults.

    Raises:
        Misconfigured: see `load_pipeline`.
    """

    def __init__(self, row: ModelRow, pipeline: Any, steps: int = STEPS) -> None:
        self.row = row
        self.pipeline = pipeline
        self.steps = steps
        self.inner = getattr(pipeline, "pipeline", pipeline)
        self._arguments_of = arguments_for(pipeline, str(getattr(self.inner, "_execution_device", "cpu")))
        self._processing = Processing(row.engine_config())
        if hasattr(self.inner, "set_progress_bar_config"):
            self.inner.set_progress_bar_config(disable=True)

    @classmethod
    def load(cls, row: ModelRow, steps: int = STEPS) -> Subject:
        """Load the model as a worker would."""
        return cls(row, load_pipeline(row.engine_config()), steps)

    @cached_property
    def card(self) -> ModelCard:
        """What a worker would publish of it."""
        return derive_card(self.row, type(self.inner))

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names of its call's parameters; empty for a class that is given the request."""
        if not takes_named_arguments(self.inner):
            return frozenset()
        return frozenset(inspect.signature(type(self.inner).__call__).parameters)

    @property
    def guidance_name(self) -> str | None:
        """The parameter that turns guidance, if there is one."""
        return next((name for name in GUIDANCE if name in self.parameters), None)

    def requests(
        self, count: int, guidance: float | None = None, steps: int | None = None
    ) -> list[OmniDiffusionRequest]:
        """Requests with their own prompts, seeds and numbers of steps."""
        return [self._request(index, guidance, (steps or self.steps) + index % 2) for index in range(count)]

    def _request(self, index: int, guidance: float | None, steps: int) -> OmniDiffusionRequest:
        extra = dict(call_style(self.inner).extra)
        if guidance is not None and self.guidance_name is not None:
            extra[self.guidance_name] = guidance
        is_edit = "generate" not in self.card.tasks
        request = OmniDiffusionRequest(
            prompt=PROMPTS[index % len(PROMPTS)],
            negative_prompt="blurry" if self.card.accepts_negative_prompt and self.parameters else None,
            images=(self._picture(index),) if is_edit else (),
            mask=self._mask() if "mask_image" in self.parameters else None,
            sampling_params=OmniDiffusionSamplingParams(
                num_inference_steps=steps, seed=1000 + index, extra_args=extra
            ),
        )
        return self._processing.prepare(with_defaults(request, self.row.defaults))

    def _picture(self, index: int) -> Image.Image:
        """A picture of the row's size whose colours run across it, other ones for each index."""
        width, height = (int(self.card.defaults.get(side) or 64) for side in ("width", "height"))
        across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
        third = np.full_like(across, 60.0 * (index % 4))
        return Image.fromarray(np.stack([across, down, third], -1).astype(np.uint8))

    def _mask(self) -> Image.Image:
        width, height = self._picture(0).size
        mask = Image.new("L", (width, height), 0)
        mask.paste(255, (0, 0, width // 2, height))
        return mask

    def plain(self, request: OmniDiffusionRequest) -> Any:
        """What the unmodified pipeline returns, called as anybody would call it."""
        torch.manual_seed(0)
        made = run_of(self.pipeline, request, self._arguments_of(request))()
        return made.output if isinstance(made, DiffusionOutput) else made

    def engine(self, **options: Any) -> DiffusionEngine:
        """An engine over the loaded pipeline. `options` are fields of its configuration."""
        asked = {"caps": "fixed(8)", "offline": True, **options}
        config = OmniDiffusionConfig(model=self.row.source, name=self.row.name, pipeline=self.pipeline, **asked)
        return DiffusionEngine(config)

    @cached_property
    def main_engine(self) -> DiffusionEngine:
        """The engine that the output is judged by; what it proves is kept as merge rules."""
        return self.engine()

    @staticmethod
    def runner(engine: DiffusionEngine) -> DiffusionModelRunner:
        """The runner below one of these engines."""
        runner: DiffusionModelRunner = engine.executor.worker.model_runner  # type: ignore[attr-defined]
        return runner

    def together(
        self, requests: Sequence[OmniDiffusionRequest], engine: DiffusionEngine | None = None
    ) -> list[Any]:
        """What the engine makes of these requests, all at once.

        Raises:
            RuntimeError: one of them failed.
        """
        torch.manual_seed(0)
        outputs = (engine or self.engine()).step(list(requests))
        failed = next((output.error for output in outputs if output.error), None)
        if failed is not None:
            raise RuntimeError(failed)
        return [output.output for output in outputs]

    @staticmethod
    def arrays(output: Any) -> Arrays:
        """All media in an output."""
        return arrays(output)

    def difference(self, mine: Any, other: Any) -> float:
        """The greatest difference of two outputs, relative to the greatest value."""
        return difference(arrays(mine), arrays(other))

    @cached_property
    def bound(self) -> float:
        """How far an output in company may lie from the plain one: rounding, as this model magnifies it."""
        (request,) = self.requests(1)
        with nudging(self.inner):
            nudged = self.plain(request)
        return bound_for(self.inner, self.difference(self.plain(request), nudged))

    @property
    def rates(self) -> Rates:
        """How fast its clips and sounds are to be played."""
        return describe(self.row, self.pipeline).rates(self.row.defaults, self.row.frame_rate)

    def media(self, output: Any) -> list[tuple[SpoolFile, np.ndarray[Any, np.dtype[Any]]]]:
        """An output as a job's files would hold it, read back."""
        finished = self._processing.finish(DiffusionOutput(output=output)).output
        with TemporaryDirectory(prefix="examined-") as folder:
            files = spool_output(finished, Path(folder), self.rates)
            return [(file, np.frombuffer(file.take(), file.dtype).reshape(file.shape)) for file in files]

    def failure(self, name: str, error: BaseException) -> Finding:
        """What an error of this model means."""
        return finding_of(name, error, self.inner)
