"""Starts the engine process with one end of a socket pair, and sees it end when the other end closes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from workers.engine_process.messages import Channel

#: Time a closed engine process has to end by itself.
CLOSE_SECONDS = 2.0
#: Time between two looks at whether it hangs.
WATCH_SECONDS = 0.25

#: glibc gives a forward's large blocks back to the system, which hands the next forward's out page by page: up to
#: ten thousand page faults a decode, and four percent of a run on a CPU. So it keeps what it may need again.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}


def spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """A fresh engine process, and our end of the pipe to it."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "workers.engine_process.child", str(theirs.fileno())]
    with theirs:
        environment = {**ALLOCATOR, **os.environ}
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment)
    return process, Channel(ours)


def reap(process: subprocess.Popen[bytes]) -> int:
    """The exit status of an engine process whose pipe was closed; killed if it does not end by itself."""
    try:
        return process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def watch(is_over: threading.Event, look: Callable[[float], None]) -> None:
    """Call `look` every so often with the seconds by which it comes late, as after a SIGSTOP of this process."""
    looked = time.monotonic()
    while not is_over.wait(WATCH_SECONDS):
        since, looked = looked, time.monotonic()
        look(max(0.0, looked - since - WATCH_SECONDS))
