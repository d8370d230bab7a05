"""Did sharing change anything? Runs the demo's jobs again with plain diffusers, one by one, and compares.

`python -m workers.shapes.compare` reads a question as JSON and answers in JSON; `omni-jobs demo` asks it:

    {"source": folder or null, "jobs": [{"prompt", "seed", "steps", "image", "picture", "scene"}, ...]}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers.omni import Omni
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS
from workers.shapes.evaluate import load_pipeline
from workers.shapes.judge import judge
from workers.shapes.scene import Scene

#: Every so many-th job's latents are compared; pixels are compared of every job.
LATENTS_EVERY = 3

Job = Mapping[str, Any]


def compare(pipeline: Any, jobs: Sequence[Job]) -> dict[str, Any]:
    """The greatest differences: of latents, alone against together in this process, and of delivered pictures.

    Returns `latents` (absolute), `pixels` (parts of full scale), over how many jobs, and for every picture whether
    it shows the job's scene.
    """
    chosen = jobs[::LATENTS_EVERY]
    return {
        "latents": latents_difference(pipeline, chosen),
        "latents_jobs": len(chosen),
        "pixels": max(pixel_difference(pipeline, job) for job in jobs),
        "pixels_jobs": len(jobs),
        "right": [all(judge(_delivered(job)).agrees(Scene(**job["scene"])).values()) for job in jobs],
    }


def latents_difference(pipeline: Any, jobs: Sequence[Job]) -> float:
    """Greatest absolute difference of final latents, each job alone against all of them together."""
    alone = [pipeline(**arguments(job), output_type="latent").images for job in jobs]
    omni = Omni(pipeline=pipeline)
    together = omni.map([arguments(job) | {"output_type": "latent"} for job in jobs])
    omni.close()
    return max(float((one - other.images).abs().max()) for one, other in zip(alone, together, strict=True))


def pixel_difference(pipeline: Any, job: Job) -> float:
    """Greatest difference, in parts of full scale, of the delivered picture from the one drawn alone."""
    alone = np.asarray(pipeline(**arguments(job)).images[0], dtype=np.int16)
    return float(np.abs(alone - _delivered(job)).max()) / 255


def arguments(job: Job) -> dict[str, Any]:
    """The keyword arguments of one pipeline call, with a generator of its own."""
    given: dict[str, Any] = {
        **DEFAULT_PARAMETERS,
        "prompt": job["prompt"],
        "num_inference_steps": job["steps"],
        "generator": torch.Generator().manual_seed(job["seed"]),
    }
    return given | ({"image": _opened(job["image"])} if job["image"] else {})


def _opened(path: str) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _delivered(job: Job) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(_opened(job["picture"]))


def main() -> None:
    """Entry point of the child process."""
    question = json.load(sys.stdin)
    pipeline = load_pipeline(Path(question["source"] or WEIGHTS))
    sys.stdout.write(json.dumps(compare(pipeline, question["jobs"])) + "\n")


if __name__ == "__main__":
    main()
