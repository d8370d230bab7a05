"""One picture, no server: `python -m workers.try_one` reads a question as JSON and answers in JSON.

The child of `omni-jobs try`. The pipeline is called as anybody would call it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from omni_jobs.errors import Misconfigured, OmniJobsError
from workers.registry import read_rows


def draw(question: Mapping[str, Any]) -> dict[str, Any]:
    """Load the model, draw, write the picture.

    Args:
        question: prompt, model (a packaged one, or NAME=SOURCE), image (a path or None), seed, steps (or None)
            and output (a path).

    Raises:
        Misconfigured: the model does not load, or makes no pictures.
    """
    (row,) = read_rows(None, [question["model"]])
    # Only now: a wrong name is said at once.
    import torch
    from PIL import Image

    from workers.loader import load_pipeline

    started = time.perf_counter()
    pipeline = load_pipeline(row.engine_config())
    pipeline.set_progress_bar_config(disable=True)
    loaded = time.perf_counter()
    generator = torch.Generator(str(pipeline.device)).manual_seed(question["seed"])
    arguments: dict[str, Any] = {**row.defaults, "prompt": question["prompt"], "generator": generator}
    if question["steps"] is not None:
        arguments["num_inference_steps"] = question["steps"]
    if question["image"] is not None:
        arguments["image"] = Image.open(question["image"]).convert("RGB")
    pictures = getattr(pipeline(**arguments), "images", None)
    if pictures is None:
        raise Misconfigured(f"`{question['model']}` makes no pictures.", field="model", value=question["model"])
    pictures[0].save(question["output"])
    seconds, load_seconds = time.perf_counter() - loaded, loaded - started
    return {
        "path": question["output"],
        "seed": question["seed"],
        "seconds": round(seconds, 3),
        "load_seconds": round(load_seconds, 3),
    }


def main() -> int:
    """Entry point of the child process."""
    try:
        answer = draw(json.load(sys.stdin))
    except OmniJobsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
