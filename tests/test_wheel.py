"""The built wheel works outside the repository: scripts, Lua and data come along, tests do not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROBE = """
import omni_jobs, workers, storage, omni_jobs.cli, omni_jobs.store, pathlib, sys
for package in (omni_jobs, workers, storage):
    assert pathlib.Path(package.__file__).is_relative_to(sys.argv[1]), package.__file__
print(omni_jobs.__version__)
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_what_runs_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == {
        "omni_jobs",
        "storage",
        "workers",
    }
    scripts = {path.name for path in (ROOT / "omni_jobs/store/lua").glob("*.lua")}
    assert scripts == {path.name for path in (unpacked / "omni_jobs/store/lua").glob("*.lua")}
    assert all((unpacked / name / "py.typed").is_file() for name in ("omni_jobs", "workers", "storage"))


def test_it_imports_and_answers_outside_the_repository(unpacked: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    run = [sys.executable, "-c", PROBE, str(unpacked)]
    version = subprocess.run(run, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    command = [sys.executable, "-m", "omni_jobs.cli", "--version"]
    shown = subprocess.run(
        command, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    ).stdout
    assert version.strip() in shown
