"""A server as a child process that says when it is ready and ends with its parent, however the parent ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Child:
    """A running child and what it announced when it was ready."""

    process: subprocess.Popen[bytes]
    announced: dict[str, Any]


@contextmanager
def running(module: str, *arguments: str) -> Iterator[Child]:
    """Runs `python -m module` until the block ends; raises RuntimeError with its output if it dies first."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} ended with status {process.wait()} before it was ready")
        try:
            yield Child(process, json.loads(line))
        finally:
            process.kill()
            process.wait()


def announce(facts: dict[str, Any]) -> None:
    """Tells the parent, once, that this child is ready."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """Ends this process as soon as its standard input closes, which the kernel sees to when the parent dies."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)
