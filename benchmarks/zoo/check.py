"""The plain reference check: does a case run by itself, twice the same, and does its prompt matter?"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.zoo.case import Case
from benchmarks.zoo.outputs import flatten_output
from benchmarks.zoo.words import EQUAL_PROMPTS

LEAST_CHANGE = 1e-4
ROUNDING = 1e-7
Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Verdict:
    """What the check of one case found; `seconds` is the slower of its runs, `change` what the prompt did."""

    name: str
    problem: str | None
    build_seconds: float = 0.0
    seconds: float = 0.0
    shape: str = ""
    change: float = 0.0


def run_case(case: Case, pipeline: Any, seed: int, prompt: str, steps: int = 2, size: Any = None) -> Arrays:
    """Call the pipeline plainly and flatten what it gives."""
    import torch

    if case.global_random:
        torch.manual_seed(seed)
    return flatten_output(pipeline(**case.inputs(seed, prompt, steps, size)))


def rounding_of(case: Case, requests: Sequence[Mapping[str, Any]]) -> float:
    """How far these requests' outputs move, relative to the greatest value, when every weight is off by about one
    float32 rounding.

    Some cases magnify rounding (quantised pictures, normalisation of flat patches, noise schedules that divide by
    little), so that two correct computations differ by this much or a few times more; a wrong merge has to be
    judged against it.
    """
    import torch

    pipeline = case.build()
    before = [_run(pipeline, request) for request in requests]
    nudge = torch.Generator().manual_seed(1)
    for module in (part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)):
        for parameter in (each for each in module.parameters() if each.is_floating_point()):
            parameter.data.mul_(1 + ROUNDING * torch.randn(parameter.shape, generator=nudge))
    after = [_run(pipeline, request) for request in requests]
    pairs = [pair for old, new in zip(before, after, strict=True) for pair in zip(old, new, strict=True)]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in pairs)


def _run(pipeline: Any, request: Mapping[str, Any]) -> Arrays:
    """The same as often as it is asked: generators are put back to where they were."""
    import torch

    states = [(value, value.get_state()) for value in request.values() if isinstance(value, torch.Generator)]
    torch.manual_seed(0)
    output = flatten_output(pipeline(**request))
    for generator, state in states:
        generator.set_state(state)
    return output


def _problem_of(first: Arrays, second: Arrays) -> str | None:
    if not first:
        return "the output holds no arrays"
    if not all(np.isfinite(array).all() for array in first):
        return "the output is not finite"
    same = len(first) == len(second) and all(map(np.array_equal, first, second))
    return None if same else "two runs with equal seeds differ"


def check_case(case: Case, steps: int = 3) -> Verdict:
    """Build and run one case; every error of the pipeline becomes the verdict's problem."""
    try:
        return _check(case, steps)
    except Exception as error:  # noqa: BLE001 - whatever an unmodified pipeline raises is the finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error).splitlines()[0] if str(error) else ""
        return Verdict(
            case.name, f"{type(error).__name__}: {text} ({where.filename.split('/')[-1]}:{where.lineno})"
        )


def _check(case: Case, steps: int) -> Verdict:
    started = time.perf_counter()
    pipeline = case.build()
    built = time.perf_counter()
    first = run_case(case, pipeline, 7, EQUAL_PROMPTS[0], steps)
    half = time.perf_counter()
    second = run_case(case, pipeline, 7, EQUAL_PROMPTS[0], steps)
    done = time.perf_counter()
    problem = _problem_of(first, second)
    change = 0.0
    if problem is None and case.prompt_argument is not None:
        other = run_case(case, pipeline, 7, EQUAL_PROMPTS[1], steps)
        pairs = [(a, b) for a, b in zip(first, other, strict=False) if a.shape == b.shape]
        change = max((float(np.abs(a - b).max()) for a, b in pairs), default=1.0)
        problem = None if change > LEAST_CHANGE else f"the prompt changes the output by {change:.0e} only"
    if problem is None and case.size and case.swap_sizes and case.size[0] != case.size[1]:
        run_case(case, pipeline, 7, EQUAL_PROMPTS[0], steps, (case.size[1], case.size[0]))
    shape = "x".join(map(str, first[0].shape)) if first else ""
    return Verdict(case.name, problem, built - started, max(half - built, done - half), shape, change)
