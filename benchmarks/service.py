"""The service that a benchmark measures: Redis, the API and a simulated worker, on this machine's free ports."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from omni_jobs.redis_server import start_server
from omni_jobs.settings import Settings
from tests.servers.processes import started

MODEL = "sim"
SOURCE = "simulated?launch_ms=1&row_ms=0.01"
#: How long the worker may take until the API calls itself ready.
READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RunningService:
    """Its address, the API's process, its settings and the folder that holds all its data."""

    url: str
    api_pid: int
    settings: Settings
    folder: Path


@contextmanager
def service(source: str = SOURCE, *, slots: int = 16, cap: int = 16) -> Iterator[RunningService]:
    """Ready for jobs within the block. `cap`: calls that share a forward.

    Raises TimeoutError with the worker's last words if it does not get ready.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(start_server(folder / "redis"))
        given = {"redis_url": server.url, "storage_url": str(folder / "objects"), "data_dir": str(folder)}
        given |= {"log_level": "warning", "slots": str(slots)}
        serving = started("omni_jobs.api", "--port", "0", log=folder / "api.log", **given)
        process = stack.enter_context(serving)
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        arguments = ("--model", f"{MODEL}={source}", "--caps", f"fixed({cap})")
        stack.enter_context(started("workers.app", *arguments, log=folder / "worker.log", **given))
        _wait_until_ready(url, folder / "worker.log")
        yield RunningService(url, process.pid, Settings.model_validate(given), folder)


def _wait_until_ready(url: str, log: Path) -> None:
    patience = time.monotonic() + READY_SECONDS
    while httpx.get(f"{url}/readyz", timeout=30).status_code != 200:
        if time.monotonic() > patience:
            raise TimeoutError(f"no worker after {READY_SECONDS:.0f} s; its log ends: {log.read_text()[-2000:]}")
        time.sleep(0.2)
