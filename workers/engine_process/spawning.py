"""Starts the engine process with one end of a socket pair, and sees it end when the other end closes."""

from __future__ import annotations

import socket
import subprocess
import sys

from workers.engine_process.messages import Channel

#: Time a closed engine process has to end by itself.
CLOSE_SECONDS = 2.0


def spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """A fresh engine process, and our end of the pipe to it."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "workers.engine_process.child", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return process, Channel(ours)


def reap(process: subprocess.Popen[bytes]) -> int:
    """The exit status of an engine process whose pipe was closed; killed if it does not end by itself."""
    try:
        return process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
