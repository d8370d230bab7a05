"""Requests saved in this interpreter and resumed in another: the outputs must be the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.resume_conformance import TOO_SHORT, Resumer, run
from benchmarks.zoo import case, cases

#: By what each is here for.
CHOSEN = {
    "flux-kontext": "Euler, flow matching, and an edit",
    "sd-euler-ancestral": "Euler ancestral",
    "sd-dpm-multistep": "DPM++ 2M",
    "sd-dpm-multistep-sde": "DPM++ 2M SDE",
    "sd-unipc": "UniPC",
    "sd-inpaint-9": "DDIM and inpainting",
    "lcm-img2img": "LCM on a picture",
    "sd-heun": "Heun",
    "sd-pndm": "PNDM",
    "sd-controlnet": "a control net",
    "wan-2.2": "a video by two denoisers",
    "ace-step-long": "a momentum buffer",
}
OTHERS = [one.name for one in cases() if one.name not in CHOSEN]

pytestmark = pytest.mark.filterwarnings("ignore")  # the pipelines run as they are


@pytest.fixture(scope="module")
def resumer() -> Iterator[Resumer]:
    """Another interpreter."""
    started = Resumer()
    yield started
    started.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_another_interpreter_goes_on_to_the_same_bytes(name: str, resumer: Resumer, tmp_path: Path) -> None:
    row = run(case(name), "middle", resumer, tmp_path)
    assert row.verdict == "identical"
    assert 0 < row.made == row.calls - row.saved_after, "what was done is not done again"


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_pipeline_does(name: str, resumer: Resumer, tmp_path: Path) -> None:
    row = run(case(name), "middle", resumer, tmp_path)
    assert row.verdict in ("identical", TOO_SHORT)


def test_after_the_first_call(resumer: Resumer, tmp_path: Path) -> None:
    row = run(case("sd-heun"), "first", resumer, tmp_path)
    assert (row.verdict, row.saved_after) == ("identical", 1)


def test_twice_in_a_row(resumer: Resumer, tmp_path: Path) -> None:
    """Saved here, resumed and saved again there, resumed here."""
    row = run(case("wan-2.2"), "middle", resumer, tmp_path, twice=True)
    assert (row.verdict, row.made) == ("identical", row.calls - row.saved_after - 1)
