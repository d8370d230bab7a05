"""The manifests that the bulk benchmarks render, and the batches in which a bare loop renders them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "yellow", "pink", "black", "orange", "purple")
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
BATCH = 8


def jobs(count: int, model: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Jobs with prompts and seeds of their own."""
    for number in range(count):
        prompt = f"a {COLOURS[number % 8]} {SHAPES[number // 8 % 6]} on white"
        yield {"model": model, "prompt": prompt, "seed": number, "parameters": parameters}


def write_manifest(path: Path, found: Iterator[dict[str, Any]]) -> Path:
    """The jobs as JSON lines."""
    with path.open("w") as file:
        file.writelines(json.dumps(job) + "\n" for job in found)
    return path


def batches(found: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In order, as many as share a forward."""
    for start in range(0, len(found), BATCH):
        yield found[start : start + BATCH]
