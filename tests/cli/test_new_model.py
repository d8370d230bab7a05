"""`omni-jobs new-model`: what it writes holds, runs and passes; `doctor` examines a model with the same checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.zoo import case
from omni_jobs.errors import Misconfigured
from workers.new_model import write_model
from workers.registry import read_rows

COMMAND = [sys.executable, "-m", "omni_jobs.cli"]
ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in this folder, as a user would type it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def check_files(folder: Path, name: str) -> None:
    """The row reads, the rules are taken, the card says that everything held."""
    (row,) = read_rows(folder / "omni.toml")
    assert row.name == name
    assert row.limits["num_inference_steps"] >= row.defaults["num_inference_steps"]
    assert row.engine_config().merge_rules
    card = json.loads((folder / "card.json").read_text())
    states = {found["name"]: found["state"] for found in card["findings"]}
    assert (states["alone"], states["together"], states["media"]) == ("ok", "ok", "ok")
    assert "| alone | ok | bit-identical to plain diffusers |" in (folder / "card.md").read_text()


def check_test(folder: Path) -> None:
    """The test that was written passes: batches 1, 2, 4 by guidances 1, 5, 10; alone; what is stored."""
    tested = run(folder, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder))
    assert tested.returncode == 0, tested.stdout
    assert "11 passed" in tested.stdout


def test_a_folder_becomes_a_row_with_rules_an_example_a_test_that_passes_and_a_card(tmp_path: Path) -> None:
    """As the child of the command does it; the tests below go the whole way, in processes of their own."""
    case("flux").build().save_pretrained(tmp_path / "weights")
    question = {
        "name": "tiny/flux", "source": str(tmp_path / "weights"), "pipeline_class": None, "dtype": None,
        "steps": 1, "parameters": {"width": 32, "height": 32}, "folder": str(tmp_path / "tiny"), "force": False,
    }  # fmt: skip
    found: list[dict[str, object]] = []
    files, right = write_model(question, found.append)
    assert right
    assert {path.name for path in files} == {path.name for path in (tmp_path / "tiny").iterdir()}
    assert {one["group"] for one in found} >= {"output", "speed", "memory", "cache"}
    check_files(tmp_path / "tiny", "tiny/flux")
    assert pytest.main(["-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path / "tiny")]) == 0
    with pytest.raises(Misconfigured, match="is not empty"):
        write_model(question, found.append)


def test_a_source_that_is_none_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    done = run(tmp_path, *COMMAND, "new-model", "x", "--source", str(tmp_path))
    assert "model_index.json" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_the_packaged_model_is_examined_drawn_with_and_found_healthy(tmp_path: Path) -> None:
    assert run(tmp_path, *COMMAND, "new-model", "mine", "--source", "shapes").returncode == 0
    check_files(tmp_path / "mine", "mine")
    check_test(tmp_path / "mine")
    drawn = run(tmp_path, sys.executable, "mine/example.py", "a red circle on white", "a blue ring on black")
    assert drawn.returncode == 0, drawn.stderr
    assert len(list((tmp_path / "outputs").glob("*.png"))) == 2
    healthy = run(tmp_path, *COMMAND, "doctor", "--config", "mine/omni.toml", "--json")
    assert healthy.returncode == 0, healthy.stdout
    names = {found["name"] for found in json.loads(healthy.stdout)}
    assert {"mine import", "mine alone", "mine together", "mine speed", "mine memory"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wan", "stable-audio"])
def test_clips_and_sound_are_models_too(tmp_path: Path, name: str) -> None:
    case(name).build().save_pretrained(tmp_path / "weights")
    small = {"wan": ["width=32", "height=32", "num_frames=5"], "stable-audio": ["audio_end_in_s=1.0"]}[name]
    options = [part for value in small for part in ("-p", value)]
    done = run(tmp_path, *COMMAND, "new-model", "tiny", "--source", "weights", "--steps", "1", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    check_files(tmp_path / "tiny", "tiny")
    check_test(tmp_path / "tiny")
    drawn = run(tmp_path, sys.executable, "tiny/example.py", "a fox", "--num-inference-steps", "2")
    assert drawn.returncode == 0, drawn.stderr
    assert [path.suffix for path in (tmp_path / "outputs").iterdir()] == [{"wan": ".mp4"}.get(name, ".wav")]
