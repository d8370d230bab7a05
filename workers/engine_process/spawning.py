"""Starts the engine process with one end of a socket pair; it ends when the other end closes."""

from __future__ import annotations

import socket
import subprocess
import sys

from workers.engine_process.messages import Channel


def spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """A fresh engine process, and our end of the pipe to it."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "workers.engine_process.child", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return process, Channel(ours)
