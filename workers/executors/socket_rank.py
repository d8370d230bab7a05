"""A rank at the other end of a socket, as its executor sees it: `multiproc` started it, or a launcher did."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from workers.executors.ranks import Rank
from workers.executors.wire import messages


@dataclass
class SocketRank(Rank):
    """A connection to the rank, and its process if we started it."""

    number: int
    connection: socket.socket
    process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"rank {self.number}" + (f" (process {self.process.pid})" if self.process else "")

    def send(self, data: bytes, seconds: float) -> None:
        limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.connection.sendall(data)

    def replies(self) -> Iterator[Any]:
        return messages(self.connection)

    def hang_up(self) -> None:
        """A rank that we started ends when it sees that."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def end(self, patience: float) -> str:
        self.hang_up()
        if self.process is None:
            return "closed its connection"
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    def close(self) -> None:
        self.connection.close()
