"""Child processes of the demo. Each ends when the pipe that it reads closes, even if we are killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from omni_jobs.errors import Unavailable

START_SECONDS = 300.0
STOP_SECONDS = 40.0
TAIL_LINES = 15


@contextmanager
def started(
    name: str, command: Sequence[str], environment: Mapping[str, str], log_file: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `python -m ...` and its first line of output; ended in order with the block.

    Raises:
        Unavailable: it ended or said nothing in time; with the end of its log.
    """
    with log_file.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us; we end the child
        )
    try:
        yield process, _first_line(name, process, log_file)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def _first_line(name: str, process: subprocess.Popen[str], log_file: Path) -> str:
    assert process.stdout is not None
    timer = threading.Timer(START_SECONDS, process.terminate)
    timer.start()
    try:
        line = process.stdout.readline().strip()
    finally:
        timer.cancel()
    if not line:
        tail = "\n".join(log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise Unavailable(f"{name} did not start. {log_file} ends:\n{tail}")
    return line
