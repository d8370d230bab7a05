"""What plain diffusers makes of the same orders: a child process loads the model, for nothing here knows torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.demo.drawing import Drawn
from omni_jobs.errors import ExecutionFailed

MODULE = "workers.shapes.compare"
TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Comparison:
    """The greatest differences from solo runs, over as many jobs as were compared, and what the judge saw.

    `latents` is in units of the latents, `pixels` in parts of full scale; `right` has a row per picture.
    """

    latents: float
    latents_jobs: int
    pixels: float
    pixels_jobs: int
    right: tuple[bool, ...]


def compare(drawn: Sequence[Drawn], source: str | None) -> Comparison:
    """Run the drawn orders alone, and some of them together, in a process of its own.

    Raises:
        ExecutionFailed: that process failed; with the end of what it said.
    """
    paths = {one.order.number: str(one.picture) for one in drawn}
    question = {"source": source, "jobs": [_row(one, paths) for one in drawn]}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps(question),
        env={"OMP_NUM_THREADS": "1", **os.environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ExecutionFailed(f"{MODULE} failed: {done.stderr.strip()[-1500:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Comparison(**{**answer, "right": tuple(answer["right"])})


def _row(one: Drawn, paths: dict[int, str]) -> dict[str, Any]:
    order = one.order
    return {
        "prompt": order.prompt,
        "seed": order.seed,
        "steps": order.steps,
        "image": None if order.source is None else paths[order.source],
        "picture": str(one.picture),
        "scene": order.scene,
    }
