"""One `omni-jobs up` with a key, the demo model and a simulated one; clients get only its URL and key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from omni_jobs.redis_server import free_port

MODELS = ("shapes", "sim=simulated?launch_ms=1&fail_on=cannot be drawn", "slow=simulated?launch_ms=25")
KEY = "9f4e1f0c7a3d4b52a6c8e0d1f2b3a495"


@dataclass(frozen=True)
class Service:
    """Where it answers, with which key, and the port on which it may reach a receiver of webhooks."""

    url: str
    key: str
    hook_port: int

    @property
    def http(self) -> httpx.Client:
        """A plain client of the native API."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=60)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("faces")
    hook_port = free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    environment = own | {
        "OMNI_DATA_DIR": str(folder),
        "OMNI_API_KEY": KEY,
        "OMNI_MODEL_ALIASES": "gpt-image-1=shapes,flux-schnell=sim,fal-ai/flux/dev=sim",
        "OMNI_WEBHOOK_ALLOW": f"127.0.0.1:{hook_port}",
    }
    models = [part for model in MODELS for part in ("--model", model)]
    command = [sys.executable, "-m", "omni_jobs.cli", "up", *models, "--port", "0"]
    with (
        (folder / "up.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready http://127.0.0.1:"), Path(folder / "up.log").read_text()[-2000:]
            yield Service(line.split()[1], KEY, hook_port)
        finally:
            process.terminate()
            process.wait(60)
