"""No test server outlives the process that started it, however that process ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.child import running

_PARENT = """
import sys
from tests.servers.moto import moto
with moto() as server:
    sys.stdout.write(f"{server.process.pid}\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_server_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([server], [], [], 60)
    os.close(server)
    assert ended


def test_a_server_that_cannot_start_is_told_and_not_waited_for() -> None:
    with pytest.raises(RuntimeError, match="ended with status 1"), running("tests.servers.no_such_module"):
        pass
