"""Draws and edits what training never saw, and has every picture judged by its pixels.

    python -m workers.shapes.evaluate --json report.json

Prints a table, writes JSON, and exits with 1 when fewer than 95 % of the generations or 90 % of the edits are
right in every attribute. `make eval-demo-model` and, with `--quick`, continuous integration call it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS
from workers.shapes.cases import Case, edit_cases, generation_cases
from workers.shapes.judge import Verdict, judge
from workers.shapes.scene import ATTRIBUTES, Picture

GENERATIONS, EDITS = 200, 100
QUICK_GENERATIONS, QUICK_EDITS = 27, 13
LEAST_SHARE = {"generate": 0.95, "edit": 0.90}
PICTURES_PER_CALL = 20


@dataclass(frozen=True)
class Result:
    """A judged case."""

    case: Case
    picture: Picture
    verdict: Verdict

    @property
    def marks(self) -> dict[str, bool]:
        """Right or wrong, by attribute and in `all`."""
        marks = self.verdict.agrees(self.case.target)
        return {**marks, "all": all(marks.values())}


def load_pipeline(folder: Path) -> Any:
    """The pipeline of a diffusers folder, in float32 on the CPU, without its progress bar."""
    pipeline = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline: Any, cases: Sequence[Case], first_seed: int, **parameters: Any) -> list[Result]:
    """Run the cases, all generations or all edits, and judge the pictures; case i has seed `first_seed` + i."""
    results: list[Result] = []
    for start in range(0, len(cases), PICTURES_PER_CALL):
        part = cases[start : start + PICTURES_PER_CALL]
        seeds = range(first_seed + start, first_seed + start + len(part))
        arguments: dict[str, Any] = {**DEFAULT_PARAMETERS, **parameters}
        references = [Image.fromarray(case.reference) for case in part if case.reference is not None]
        if references:
            arguments["image"] = references
        pictures = pipeline(
            prompt=[case.prompt for case in part],
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
            **arguments,
        ).images
        rounded = np.rint(pictures * 255).astype(np.uint8)
        results += [Result(case, picture, judge(picture)) for case, picture in zip(part, rounded, strict=True)]
    return results


def shares(results: Sequence[Result]) -> dict[str, float]:
    """The share of right pictures by attribute and in `all`."""
    return {name: float(np.mean([result.marks[name] for result in results])) for name in (*ATTRIBUTES, "all")}


def summarise(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Shares for generations, for edits, and for every kind of edit."""
    groups = {kind: [r for r in results if r.case.kind.startswith(kind)] for kind in LEAST_SHARE}
    kinds = sorted({result.case.kind for result in results} - set(groups))
    groups |= {kind: [result for result in results if result.case.kind == kind] for kind in kinds}
    return {kind: {"pictures": len(group), **shares(group)} for kind, group in groups.items() if group}


def table(summary: dict[str, dict[str, float]]) -> str:
    """The summary for people, in percent."""
    columns = (*ATTRIBUTES, "all")
    lines = [f"{'':<16}{'pictures':>9}" + "".join(f"{name:>12}" for name in columns)]
    for kind, row in summary.items():
        marks = "".join(f"{100 * row[name]:>10.1f} %" for name in columns)
        lines.append(f"{kind:<16}{row['pictures']:>9.0f}{marks}")
    return "\n".join(lines)


def failures(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every wrong picture: its words, the scene asked for and what the judge saw."""
    return [
        {"prompt": r.case.prompt, "wanted": asdict(r.case.target), "seen": asdict(r.verdict)}
        for r in results
        if not r.marks["all"]
    ]


def contact_sheet(results: Sequence[Result], columns: int = 20) -> Image.Image:
    """All pictures in rows; an edit stands to the right of the picture it was made from."""
    tiles = [tile for r in results for tile in (r.case.reference, r.picture) if tile is not None]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, len(tiles), columns)]
    return Image.fromarray(np.concatenate(rows))


def evaluate(folder: Path, generations: int, edits: int, **parameters: Any) -> tuple[list[Result], dict[str, Any]]:
    """Draw and judge; returns the results and the report that is written as JSON."""
    pipeline = load_pipeline(folder)
    started = time.monotonic()
    results = draw(pipeline, generation_cases(generations), 0, **parameters)
    results += draw(pipeline, edit_cases(edits), generations, **parameters)
    summary = summarise(results)
    passed = all(summary[kind]["all"] >= least for kind, least in LEAST_SHARE.items())
    report = {
        "weights": folder.name,
        "parameters": {**DEFAULT_PARAMETERS, **parameters},
        "seconds": round(time.monotonic() - started, 2),
        "least_share": LEAST_SHARE,
        "summary": summary,
        "failures": failures(results),
        "passed": passed,
    }
    return results, report


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="a diffusers folder")
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK_GENERATIONS + QUICK_EDITS} pictures")
    parser.add_argument("--steps", type=int, default=DEFAULT_PARAMETERS["num_inference_steps"])
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--sheet", type=Path, help="write all pictures here, as one PNG")
    arguments = parser.parse_args()
    counts = (QUICK_GENERATIONS, QUICK_EDITS) if arguments.quick else (GENERATIONS, EDITS)
    results, report = evaluate(arguments.weights, *counts, num_inference_steps=arguments.steps)
    print(table(report["summary"]))
    print(f"{report['seconds']} s; " + ("passed" if report["passed"] else f"below {LEAST_SHARE}"))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2))
    if arguments.sheet:
        contact_sheet(results).save(arguments.sheet)
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
