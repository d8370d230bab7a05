"""Ends a process with the one that started it: the supervisor holds the other end of its standard input."""

from __future__ import annotations

import os
import signal


def end_with_input() -> None:
    """Waits until standard input closes, then asks this process to stop in order."""
    # Not `sys.stdin`: its lock, held by a thread that reads, would stop the interpreter from ending.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
