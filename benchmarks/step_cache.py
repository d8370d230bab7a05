"""What step caching costs and saves on the demo model: `python -m benchmarks.step_cache`.

Every policy draws and edits what training never saw, in shared batches, and a judge reads the pictures. Random
weights cannot tell quality; this model is trained, though small and easy. Writes the table into
docs/acceleration.md. A few minutes on one core; `--pictures` makes it shorter.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers import Omni
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS
from workers.shapes.cases import Case, edit_cases, generation_cases
from workers.shapes.evaluate import Result, load_pipeline, shares
from workers.shapes.judge import judge
from workers.shapes.scene import Picture

PAGE = Path(__file__).resolve().parents[1] / "docs" / "acceleration.md"
PICTURES = 60
STEPS = (8, 20)
#: Prompts from which the curve of magnitudes is measured: other ones than those that are judged.
CALIBRATION_PICTURES = 8


@dataclass(frozen=True)
class Policy:
    """A cache as a row configures it."""

    backend: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = {name: value for name, value in self.config.items() if name != "ratios"}
        words = " ".join(f"{name}={value}" for name, value in shown.items())
        return f"`{self.backend}` {words}".strip() if self.backend else "none"


POLICIES = (
    Policy(),
    Policy("mask", {"mask": "11011011"}),
    Policy("mask", {"mask": "11011011", "order": 1}),
    Policy("taylor"),
    Policy("taylor", {"order": 2, "warmup": 3}),
    Policy("mag_cache", {"threshold": 0.1}),
    Policy("tea_cache", {"threshold": 0.2}),
    Policy("tea_cache", {"threshold": 0.2, "order": 1}),
    Policy("easy_cache", {"threshold": 0.1}),
    Policy("easy_cache", {"threshold": 0.1, "reuse": "residual"}),
    Policy("easy_cache", {"threshold": 0.1, "order": 1}),
    Policy("easy_cache", {"threshold": 0.3, "order": 1}),
)


@dataclass(frozen=True)
class Measured:
    """What one policy did: pictures in the order of the cases, and how many of their calls ran or were saved."""

    pictures: list[Picture]
    right: float
    calls: int
    saved: int

    @property
    def saved_share(self) -> float:
        return self.saved / (self.calls + self.saved)

    def difference(self, other: Measured) -> float:
        """Mean absolute difference of the pictures' values, of 255."""
        pairs = zip(self.pictures, other.pictures, strict=True)
        return float(np.mean([np.abs(mine.astype(float) - theirs).mean() for mine, theirs in pairs]))


def measure(pipeline: Any, policy: Policy, cases: Sequence[Case], steps: int) -> Measured:
    """Draw the cases under a policy, in shared batches, and judge them; case i has seed i."""
    omni = Omni(pipeline=pipeline, cache_backend=policy.backend, cache_config=dict(policy.config))
    outputs = omni.map([call(case, seed, steps) for seed, case in enumerate(cases)])
    pictures = [np.rint(output.images[0] * 255).astype(np.uint8) for output in outputs]
    results = [Result(case, picture, judge(picture)) for case, picture in zip(cases, pictures, strict=True)]
    return Measured(pictures, shares(results)["all"], omni.stats.calls, omni.stats.calls_saved)


def call(case: Case, seed: int, steps: int) -> dict[str, Any]:
    """The pipeline call that draws a case."""
    given = {**DEFAULT_PARAMETERS, "num_inference_steps": steps, "prompt": case.prompt, "output_type": "np"}
    if case.reference is not None:
        given["image"] = Image.fromarray(case.reference)
    return given | {"generator": torch.Generator().manual_seed(seed)}


def curve(pipeline: Any, steps: int) -> list[float]:
    """The magnitudes that `mag_cache` wants, over some prompts."""
    config = {"calibrate": True}
    engine = DiffusionEngine(
        OmniDiffusionConfig(pipeline=pipeline, cache_backend="mag_cache", cache_config=config, caps="fixed(8)")
    )
    cases = generation_cases(CALIBRATION_PICTURES, seed=7)
    calls = [call(case, 1000 + seed, steps) for seed, case in enumerate(cases)]
    outputs = engine.step([OmniDiffusionRequest(arguments=arguments) for arguments in calls])
    ratios = np.mean([output.metrics["mag_ratios"] for output in outputs], axis=0)
    return [round(float(ratio), 4) for ratio in ratios]


def calibrated(policy: Policy, ratios: Sequence[float]) -> Policy:
    """The policy with the curve, if it takes one."""
    if policy.backend != "mag_cache":
        return policy
    return Policy(policy.backend, {**policy.config, "ratios": list(ratios)})


def table(pipeline: Any, steps: int, generations: int, edits: int) -> str:
    """One row a policy, in Markdown."""
    lines = [
        f"**{steps} steps**, {generations} pictures drawn and {edits} edited:\n",
        "| policy | calls saved | drawn right | edited right | mean difference to uncached, of 255 |",
        "| --- | --- | --- | --- | --- |",
    ]
    ratios = curve(pipeline, steps)
    plain: tuple[Measured, Measured] | None = None
    for policy in POLICIES:
        given = calibrated(policy, ratios)
        drawn = measure(pipeline, given, generation_cases(generations), steps)
        edited = measure(pipeline, given, edit_cases(edits), steps)
        plain = plain or (drawn, edited)
        saved = (drawn.saved + edited.saved) / (drawn.calls + drawn.saved + edited.calls + edited.saved)
        difference = (drawn.difference(plain[0]) * generations + edited.difference(plain[1]) * edits) / (
            generations + edits
        )
        lines.append(f"| {policy} | {saved:.0%} | {drawn.right:.1%} | {edited.right:.1%} | {difference:.2f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=PICTURES, help="drawn ones; half as many are edited")
    parser.add_argument("--write", type=Path, default=PAGE, help="the page whose table is replaced")
    arguments = parser.parse_args()
    pipeline = load_pipeline(WEIGHTS)
    tables = [table(pipeline, steps, arguments.pictures, arguments.pictures // 2) for steps in STEPS]
    text = arguments.write.read_text("utf-8")
    marks = r"(<!-- step caches judged -->\n).*?(<!-- end of step caches judged -->)"
    written, places = re.subn(
        marks, lambda found: f"{found[1]}\n" + "\n\n".join(tables) + f"\n\n{found[2]}", text, flags=re.DOTALL
    )
    if not places:
        sys.exit(f"{arguments.write} has no place for the table")
    arguments.write.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
