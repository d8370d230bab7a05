"""Rows from `omni.toml` and the command line; mistakes are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from omni_jobs.errors import Misconfigured
from workers.registry import ModelRow, read_rows, row_from
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS

TOML = """
[models.fast]
source = "simulated?launch_ms=5"
caps = "fixed(4)"
[models.fast.defaults]
num_inference_steps = 3
"""


def config(folder: Path, text: str = TOML) -> Path:
    path = folder / "omni.toml"
    path.write_text(text)
    return path


def test_the_command_line_adds_to_and_wins_over_the_file(tmp_path: Path) -> None:
    rows = read_rows(config(tmp_path), ["fast=simulated?launch_ms=9", "other=simulated"])
    assert {row.name: row.engine_config().executor_options for row in rows} == {
        "fast": {"launch_ms": 9},
        "other": {},
    }
    assert rows[0].defaults == {"num_inference_steps": 3}
    assert [row.caps for row in rows] == ["fixed(4)", "measured"]


def test_one_cap_policy_may_be_given_to_all(tmp_path: Path) -> None:
    assert [row.caps for row in read_rows(config(tmp_path), ["other=simulated"], "fixed(8)")] == ["fixed(8)"] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.a]\nsource = 'simulated'\ncap = 'fixed(2)'", "Did you mean `caps`"),
        ("[models.a]\ncaps = 'fixed(2)'", "has no `source`"),
        ("[models.a]\nsource = 'simulated'\ncaps = 'many'", "measured or fixed"),
        ("models = 3", r"\[models.NAME\]"),
        ("[models", "omni.toml"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        read_rows(config(tmp_path, text))


@pytest.mark.parametrize("model", ["nosource", "=x", "a="])
def test_a_model_on_the_command_line_needs_both_halves(model: str) -> None:
    with pytest.raises(Misconfigured, match="NAME=SOURCE"):
        read_rows(None, [model])


def test_a_folder_without_a_pipeline_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"model_index.json"):
        read_rows(None, [f"m={tmp_path}"])
    with pytest.raises(Misconfigured, match="no spaces"):
        ModelRow("a b", "simulated")


def test_a_packaged_model_needs_no_source_and_keeps_its_defaults_with_another(tmp_path: Path) -> None:
    packaged = row_from("shapes", {})
    assert (packaged.source, packaged.defaults) == (str(WEIGHTS), DEFAULT_PARAMETERS)
    (other,) = read_rows(config(tmp_path, '[models.shapes]\ncaps = "fixed(2)"'), ["shapes=simulated"])
    assert (other.source, other.caps, other.defaults) == ("simulated", "fixed(2)", DEFAULT_PARAMETERS)
    with pytest.raises(Misconfigured, match=r"NAME=SOURCE.*Did you mean `shapes`"):
        read_rows(None, ["shape"])
