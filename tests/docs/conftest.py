"""A service as the README says to start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from omni_jobs.redis_server import free_port


@dataclass(frozen=True)
class Service:
    """Where it answers, and the port on which it may reach a receiver of webhooks."""

    api: str
    hook_port: int


def size(path: Path | str) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`omni-jobs up` with a simulated device under the name `shapes`."""
    hook_port = free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    environment = own | {
        "OMNI_DATA_DIR": str(tmp_path_factory.mktemp("docs")),
        "OMNI_WEBHOOK_ALLOW": f"127.0.0.1:{hook_port}",
    }
    command = [sys.executable, "-m", "omni_jobs.cli", "up", "--model", "shapes=simulated", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready http://127.0.0.1:"), line
            yield Service(line.split()[1], hook_port)
        finally:
            process.terminate()
            process.wait(60)
