"""`omni-jobs models --known`: what a worker takes without a source, told without a service."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from omni_jobs.cli import main


def known(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["models", "--known", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_known_models_are_listed_with_source_class_and_licence() -> None:
    status, text = known()
    assert status == 0
    (line,) = [line for line in text.splitlines() if line.startswith("flux-dev ")]
    assert line.rstrip().split(maxsplit=3)[1:] == [
        "black-forest-labs/FLUX.1-dev",
        "FluxPipeline",
        "FLUX.1 [dev] non-commercial licence",
    ]


@pytest.mark.parametrize("name", ["wan2.2-t2v", "stable-audio"])
def test_one_known_model_is_shown_as_its_row(name: str) -> None:
    status, text = known(name, "--json")
    assert status == 0
    assert json.loads(text)[name]["defaults"]["num_inference_steps"] > 0


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    status, text = known("flux-def")
    assert status != 0
    assert "flux-dev" in text
