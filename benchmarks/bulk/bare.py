"""What a bulk run on the packaged model is compared with: loops in one process, loaded and warm, that write files.

One runs the same engine, so that what is left is what a bulk run adds to it. The other calls the plain pipeline
with lists of prompts, which takes less Python a step, and needs all of a batch to begin and end together.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from benchmarks.bulk.lines import BATCH, jobs
from workers.omni import Omni
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS

Job = dict[str, Any]
Loop = Callable[[list[Job], Path], float]
#: Lines that the engine has at a time, as in a bulk run.
WINDOW = 64


def engine_loop() -> Loop:
    """`Omni.map` over windows of lines."""
    omni = Omni(pipeline=_pipeline(), caps=f"fixed({BATCH})")

    def draw(found: list[Job]) -> list[Any]:
        calls = ({**DEFAULT_PARAMETERS, "prompt": job["prompt"], "generator": _generator(job)} for job in found)
        return [output.images[0] for output in omni.map(calls)]

    return _warm(draw, WINDOW)


def pipeline_loop() -> Loop:
    """The pipeline's own call over batches."""
    pipe = _pipeline()

    def draw(found: list[Job]) -> list[Any]:
        words = {"prompt": [job["prompt"] for job in found], "generator": [_generator(job) for job in found]}
        return list(pipe(**DEFAULT_PARAMETERS, **words).images)

    return _warm(draw, BATCH)


def _warm(draw: Callable[[list[Job]], list[Any]], size: int) -> Loop:
    def render(found: list[Job], out: Path) -> float:
        out.mkdir(parents=True)
        began = time.perf_counter()
        for start in range(0, len(found), size):
            some = found[start : start + size]
            for job, picture in zip(some, draw(some), strict=True):
                picture.save(out / f"{job['seed']}.png", compress_level=6)
        return time.perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        render(list(jobs(2 * BATCH, "shapes")), Path(folder) / "out")
    return render


def _generator(job: Job) -> torch.Generator:
    return torch.Generator().manual_seed(job["seed"])


def _pipeline() -> Any:
    pipe = DiffusionPipeline.from_pretrained(WEIGHTS)
    pipe.set_progress_bar_config(disable=True)
    return pipe
