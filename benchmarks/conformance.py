"""Every pipeline of the zoo, alone against together: `python -m benchmarks.conformance [GLOB ...]`.

Three requests with their own seeds and 2, 3 and 2 steps; prompts equal, unequal, or with width and height swapped.
`--discover` takes every pipeline class of the installed diffusers that the zoo can build, `--write` makes the page
in the docs. Prints a line a case and JSON at the end; exits non-zero if any output is wrong.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.zoo import EQUAL_PROMPTS, UNEQUAL_PROMPTS, Case, cases, flatten_output
from benchmarks.zoo.check import rounding_of
from workers import Omni

STEPS = (2, 3, 2)
#: Greatest difference between together and alone, relative to the greatest value.
BOUND = 1e-4
#: Where a tiny random model amplifies rounding, so many times what a nudge of its weights by 1e-7 does to the same
#: requests.
ROUNDING_MULTIPLE = 20.0
#: The greatest pixel of 8 bits, and how far from a level a float may lie that still is one.
LEVELS, GRID = 255, 1e-3
Array = npt.NDArray[Any]
#: The families that users ask for first.
FAMILIES = (
    "qwen-image*", "flux*", "sd", "sd-img2img", "sd-inpaint", "sdxl", "sdxl-img2img", "sdxl-inpaint", "sd3*",
    "z-image*", "longcat*", "sana*", "pixart-sigma*", "lumina2*", "chroma*", "hunyuan-image*", "kandinsky5*",
    "wan*", "ltx*", "cogvideox*", "stable-audio*",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One case in one mode. `difference` is relative; `forwards` of `calls` denoiser calls."""

    case: str
    pipeline: str
    mode: str
    alone_identical: bool
    difference: float
    bound: float
    calls: int
    forwards: int
    rules: tuple[str, ...]
    alone_because: str = ""
    error: str = ""

    @property
    def is_right(self) -> bool:
        return not self.error and self.alone_identical and self.difference <= self.bound

    @property
    def shares(self) -> bool:
        return self.forwards < self.calls


def difference(reference: Any, other: Any) -> float:
    """The greatest difference of two outputs, relative to the greatest value."""
    pairs = zip(flatten_output(reference), flatten_output(other), strict=True)
    return max((_between(mine, theirs) for mine, theirs in pairs if mine.size), default=0.0)


def _between(mine: Array, theirs: Array) -> float:
    """The same of two arrays. Pixels that the pipeline itself has rounded to 8 bits tell that they moved, not how
    far: a value that moves by d falls to the next level with a chance of 255 d, so the share that did tells d."""
    one, other = (array.astype(np.float64) for array in (mine, theirs))
    if is_eight_bit(mine) and is_eight_bit(theirs):
        scale = 1 if mine.dtype == np.uint8 else LEVELS
        moved = np.abs(np.rint(one * scale) - np.rint(other * scale))
        if moved.max() <= 1:
            return float(moved.mean() / LEVELS)
    return float(np.abs(one - other).max() / max(1.0, np.abs(one).max()))


def is_eight_bit(array: Array) -> bool:
    """Whether an array holds pixels of 256 levels, as bytes or as parts of 1."""
    if array.dtype == np.uint8:
        return True
    if not np.issubdtype(array.dtype, np.floating) or array.min() < 0 or array.max() > 1:
        return False
    levels = array.astype(np.float64) * LEVELS
    return bool(np.abs(levels - np.rint(levels)).max() < GRID and np.unique(np.rint(levels)).size > 1)


def run(case: Case, mode: str) -> Row:
    """Compare alone and together with plain calls of the same loaded pipeline."""
    pipeline = case.build()
    pipeline.set_progress_bar_config(disable=True)
    prompts = UNEQUAL_PROMPTS if mode == "unequal" else EQUAL_PROMPTS

    def inputs(index: int) -> dict[str, Any]:
        swapped = mode == "swapped" and index == 1 and case.size is not None and case.swap_sizes
        size = (case.size[1], case.size[0]) if swapped and case.size else None
        return case.inputs(seed=index + 1, prompt=prompts[index], steps=STEPS[index], size=size)

    plain = []
    for index in range(len(STEPS)):
        torch.manual_seed(0)
        plain.append(pipeline(**inputs(index)))
    torch.manual_seed(0)
    (alone,) = Omni(pipeline=pipeline).map([inputs(0)])
    omni = Omni(pipeline=pipeline)
    torch.manual_seed(0)
    together = omni.map([inputs(index) for index in range(len(STEPS))])
    worst = max(difference(mine, theirs) for mine, theirs in zip(plain, together, strict=True))
    rounding = 0.0 if worst <= BOUND else rounding_of(case, [inputs(index) for index in range(len(STEPS))])
    return Row(
        case.name,
        case.pipeline_class,
        mode,
        difference(plain[0], alone) == 0,
        worst,
        max(BOUND, ROUNDING_MULTIPLE * rounding),
        omni.stats.calls,
        omni.stats.forwards,
        omni.merge_rules(),
        ", ".join(omni.stats.solo_reasons),
    )


def table(rows: list[Row]) -> str:
    """The rows as the page `docs/conformance.md`."""
    right, shared = sum(row.is_right for row in rows), sum(row.shares for row in rows)
    lines = [
        "# Conformance",
        "",
        "Generated by `python -m benchmarks.conformance --write docs/conformance.md`: tiny random weights, fp32,",
        "one thread. Three requests with their own seeds and 2, 3 and 2 steps, alone and together; the difference",
        "is the greatest one, relative to the greatest value. Of pixels that the pipeline itself rounds to 8 bits",
        "it is the mean one before rounding, told by the share that fell to the next level. Where a pipeline",
        "amplifies rounding, what a nudge of all weights by 1e-7 does to the same requests stands in brackets;",
        f"{ROUNDING_MULTIPLE:.0f} times that is allowed. Rules: what a merge needed beyond joining rows.",
        "",
        f"**{right} of {len(rows)} right, {shared} share forwards.**",
        "",
        "| case | pipeline | mode | alone | difference | denoiser calls | forwards | rules |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        alone = "identical" if row.alone_identical else "DIFFERENT"
        nudge = f" ({row.bound / ROUNDING_MULTIPLE:.0e})" if row.bound > BOUND else ""
        lines.append(
            f"| {row.case} | {row.pipeline} | {row.mode} | {alone} | {row.difference:.0e}{nudge} | {row.calls} "
            f"| {row.forwards} | {', '.join(row.rules)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", default=FAMILIES)
    parser.add_argument("--discover", action="store_true", help="every case of the zoo")
    parser.add_argument("--modes", nargs="+", default=["equal", "unequal", "swapped"])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    patterns = ["*"] if options.discover else options.patterns
    chosen = [case for case in cases() if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)]
    rows = []
    for case in chosen:
        for mode in options.modes:
            row = run(case, mode)
            rows.append(row)
            state = "right" if row.is_right else "WRONG"
            why = "" if row.shares else f" alone: {row.alone_because or 'no denoiser is called'}"
            print(
                f"{row.case:40} {mode:8} {state} {row.difference:.1e} {row.forwards}/{row.calls}{why}", flush=True
            )
    if options.write:
        options.write.write_text(table(rows))
    wrong = [asdict(row) for row in rows if not row.is_right]
    print(json.dumps({"rows": len(rows), "shared": sum(row.shares for row in rows), "wrong": wrong}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
