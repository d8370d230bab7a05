"""What the worker and its engine process say to each other: small, frozen, JSON, one message a line.

Tensors and pictures never travel here; they are spool files.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workers.engine.request import LoRARequest
from workers.engine_process.spool import SpoolFile

#: Somebody who is told by messages.
Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class RenderRequest:
    """One output to make. `remaining_seconds` is the time left to the job's deadline when it was sent."""

    request_id: str
    model: str
    prompt: str
    negative_prompt: str | None = None
    images: tuple[SpoolFile, ...] = ()
    mask: SpoolFile | None = None
    inputs: Mapping[str, tuple[SpoolFile, ...]] = field(default_factory=dict)
    loras: tuple[LoRARequest, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    priority: int = 5
    remaining_seconds: float | None = None
    deterministic: bool = False
    preview: bool = False
    checkpoint: SpoolFile | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RenderRequest:
        mask, checkpoint = data.get("mask"), data.get("checkpoint")
        read = {
            "images": tuple(map(SpoolFile.from_json, data["images"])),
            "mask": mask and SpoolFile.from_json(mask),
            "checkpoint": checkpoint and SpoolFile.from_json(checkpoint),
            "inputs": {name: tuple(map(SpoolFile.from_json, files)) for name, files in data["inputs"].items()},
            "loras": tuple(LoRARequest(**lora) for lora in data["loras"]),
        }
        return cls(**{**data, **read})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def spool_files(self) -> tuple[SpoolFile, ...]:
        named = [file for files in self.inputs.values() for file in files]
        alone = [file for file in (self.mask, self.checkpoint) if file is not None]
        return (*self.images, *alone, *named)


@dataclass(frozen=True)
class Rendered:
    """One finished output: its files (in the receiver's care now), and how its calls were served."""

    files: tuple[SpoolFile, ...]
    metrics: Mapping[str, Any]

    def discard(self) -> None:
        """Remove the files of an output nobody wants any more."""
        for file in self.files:
            file.remove()


class Channel:
    """JSON objects over one end of a socket pair. Any thread may send; one thread receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._held: list[bytes] = []

    def hold(self, message: Mapping[str, Any]) -> None:
        """Queue a message to go out with the next `send`."""
        line = _line(message)
        with self._sending:
            self._held.append(line)

    def send(self, *messages: Mapping[str, Any]) -> None:
        """Send what is held, then these. Raises OSError when the other side is gone."""
        lines = [_line(message) for message in messages]
        with self._sending:
            data = b"".join((*self._held, *lines))
            self._held.clear()
            if data:
                self._socket.sendall(data)

    def receive(self) -> Iterator[dict[str, Any]]:
        """Messages until the other side closes or dies; a line cut short by its death is dropped."""
        with self._socket.makefile("rb") as lines:
            try:
                for line in lines:
                    if line.endswith(b"\n"):
                        yield json.loads(line)
            except ConnectionError:
                return

    def close(self) -> None:
        """Close both directions; a receiver in another thread sees the end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster
        finally:
            self._socket.close()


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
