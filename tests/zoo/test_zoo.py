"""The zoo is a reference for other tests: its members must be distinct, buildable and reproducible."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.zoo import EQUAL_PROMPTS, Case, case, cases

pytest.importorskip("torch")
pytest.importorskip("diffusers")

FIRST = ("qwen-image", "flux", "sd3", "sdxl", "z-image")
NAMES = [known.name for known in cases()]
ROOT = Path(__file__).resolve().parents[2]


def _assert_sound(chosen: Case) -> None:
    from benchmarks.zoo.check import check_case

    verdict = check_case(chosen)
    assert verdict.problem is None, f"{chosen.name}: {verdict.problem}"


def test_names_are_unique() -> None:
    assert len(NAMES) == len(set(NAMES))


def test_no_covered_class_is_excused() -> None:
    from benchmarks.zoo.coverage import NOT_COVERED

    assert not {known.pipeline_class for known in cases()} & set(NOT_COVERED)


def test_importing_the_zoo_loads_no_torch() -> None:
    code = "import sys, benchmarks.zoo as z; z.cases(); print(sorted({'torch', 'diffusers'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", FIRST)
def test_first_group_is_reproducible(name: str) -> None:
    _assert_sound(case(name))


# The pipelines are run as they are: what their libraries warn of is neither ours to fix nor to fail on.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in FIRST])
def test_long_tail_is_reproducible(name: str) -> None:
    _assert_sound(case(name))


@pytest.mark.parametrize("name", FIRST)
def test_two_builds_have_equal_weights(name: str) -> None:
    from benchmarks.zoo.check import run_case

    results = [run_case(case(name), case(name).build(), 3, EQUAL_PROMPTS[0]) for _ in range(2)]
    assert all(map(np.array_equal, *results))


def test_every_call_gets_its_own_generator() -> None:
    first, second = (case("flux").inputs(1, "a fox", 2) for _ in range(2))
    assert first["generator"] is not second["generator"]
    assert first["generator"].initial_seed() == second["generator"].initial_seed() == 1


def test_size_of_a_case_without_size_is_refused() -> None:
    sizeless = dataclasses.replace(case("flux"), size=None)
    with pytest.raises(ValueError, match="has no size"):
        sizeless.inputs(1, "a fox", 2, size=(16, 16))


def test_unknown_case_is_named() -> None:
    with pytest.raises(KeyError, match="no-such-case"):
        case("no-such-case")
