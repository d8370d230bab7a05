"""The product's own processes (`python -m ...`) for tests: started with settings, ended with the block."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 20


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with exactly these `OMNI_` settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    return own | {f"OMNI_{name.upper()}": str(value) for name, value in settings.items()}


@contextmanager
def started(module: str, *arguments: str, log: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A running process whose standard input holds it alive; its log goes to a file."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(settings),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def api(folder: Path, **settings: object) -> Iterator[str]:
    """An API process on a free port; gives its address."""
    with started("omni_jobs.api", "--port", "0", log=folder / "api.log", **settings) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert address, (folder / "api.log").read_text()[-2000:]
        yield address
