"""The worked example of the extension guide runs as its README says, in one process and as a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.docs.conftest import size
from tests.docs.pages import ROOT

EXAMPLE = ROOT / "examples" / "custom_pipeline" / "image_to_image"
#: Steps, batch, patches of a 64x64 picture, channels of the packaged model's packed latents.
TIMESTEPS, LATENTS = "(10,)", "(10, 1, 64, 48)"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This Python first on the path, a data folder of our own, no other service."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    return own | {"PATH": path, "OMNI_DATA_DIR": str(tmp_path / "data")}


def test_run_sh_draws_and_edits(environment: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", str(EXAMPLE / "run.sh"), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert f"Trajectory timesteps shape: {TIMESTEPS}" in done.stdout
    assert f"Trajectory latents shape: {LATENTS}" in done.stdout
    assert size(tmp_path / "output_image_edit.png") == (64, 64)


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[str]:
    """A service with the example's configuration, started in its folder."""
    command = [sys.executable, "-m", "omni_jobs.cli", "up", "--config", "omni.toml", "--port", "0"]
    with subprocess.Popen(command, env=environment, cwd=EXAMPLE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready http://127.0.0.1:"), line
            yield line.split()[1]
        finally:
            process.terminate()
            process.wait(60)


def test_the_same_edit_as_a_job(environment: dict[str, str], api: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "input.png")
    command = [sys.executable, str(EXAMPLE / "queued_edit.py"), api, "input.png", "make it blue"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "trajectory_latents shape: (8, 1," in done.stdout
    assert "trajectory_timesteps shape: (8,)" in done.stdout
    assert size(tmp_path / "output_queued_edit.png") == (64, 64)


def test_the_readme_lists_every_file() -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    for path in EXAMPLE.iterdir():
        assert path.name in ("README.md", "__pycache__") or f"`{path.name}`" in readme
