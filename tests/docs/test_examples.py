"""The example scripts run as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from omni_jobs.redis_server import free_port
from tests.docs.conftest import Service, size
from tests.docs.pages import ROOT


def run(folder: Path, script: str, *arguments: str) -> str:
    """The output of an example that ended well."""
    command = [sys.executable, str(ROOT / "examples" / script), *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout


def test_the_http_client_draws_and_edits(service: Service, tmp_path: Path) -> None:
    assert "seed 3" in run(tmp_path, "http_client.py", service.api)
    assert size(tmp_path / "drawn.png") == size(tmp_path / "edited.png") == (64, 64)


def test_the_back_end_is_told_of_every_order(service: Service, tmp_path: Path) -> None:
    said = run(tmp_path, "webhooks/back_end.py", service.api, str(service.hook_port))
    assert sorted(line.split()[0] for line in said.splitlines()) == ["order-1", "order-2", "order-3"]
    assert said.count("job.succeeded") == 3


def test_the_manifest_is_drawn_together(untrained: Path, tmp_path: Path) -> None:
    said = run(tmp_path, "offline_bulk.py", str(untrained), str(tmp_path))
    assert "12 pictures" in said
    assert len(list(tmp_path.glob("*.png"))) == 12


def test_the_manifest_is_expanded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "omni_jobs.cli", "bulk", "expand", str(ROOT / "examples" / "bulk.toml"), "--json"]
    environment = os.environ | {"OMNI_REDIS_URL": f"redis://127.0.0.1:{free_port()}", "OMNI_DATA_DIR": str(tmp_path)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout.splitlines()[-1])["lines"] == 3 * 4 * 2 * 2


def test_every_example_is_run_and_listed() -> None:
    examples = ROOT / "examples"
    scripts = {str(path.relative_to(examples)) for place in ("*.py", "webhooks/*.py") for path in examples.glob(place)}
    tests = Path(__file__).read_text("utf-8")
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert scripts
    for script in scripts:
        assert f'"{script}"' in tests
        assert f"({script})" in listed
