"""A service started by `omni-jobs up`, shared by the tests of one module."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from omni_jobs.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "omni_jobs.cli"]
MODEL = "sim=simulated?launch_ms=25&fail_on=fail"
READY_SECONDS = 60


def environment(data: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    return {
        **own,
        "OMNI_DATA_DIR": str(data),
        "OMNI_LEASE_SECONDS": "2",
        "OMNI_GRACE_SECONDS": "5",
        "COLUMNS": "200",
    }


@contextmanager
def running_up(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`omni-jobs up` once it has said that it is ready; ended in order, unless the test did it."""
    command = [*COMMAND, "up", "--model", MODEL, "--caps", "fixed(8)", "--port", "0", *options]
    with subprocess.Popen(command, env=environment(data), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert re.match(r"ready http://127.0.0.1:\d+ models=sim pid=\d+", line), line
            yield process
            if process.poll() is None:
                process.terminate()
                assert process.wait(READY_SECONDS) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a running service."""
    folder = tmp_path_factory.mktemp("data")
    with running_up(folder):
        yield folder


@pytest.fixture
def omni(data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command against the service, in this process: only `up` needs one of its own."""
    for name, value in environment(data).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        result = CliRunner().invoke(main, arguments, input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    return run
