"""What an executor and its ranks say to each other: calls one way, replies the other, length-prefixed pickle.

Both ends are the same program run by the same user, so pickle is as trusted as the code itself. Tensors travel as
plain bytes inside the message, on the CPU: never as shared memory, which a container caps and a killed process
leaves behind. Nothing here needs torch.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_LENGTH = struct.Struct("!Q")

#: The number of the reply that a rank gives unasked, once it is loaded or cannot be.
READY = 0


@dataclass(frozen=True)
class Call:
    """A method for every rank's worker. `full` is the one rank whose whole result is wanted; None: everybody's."""

    number: int
    method: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    full: int | None = None


@dataclass(frozen=True)
class Reply:
    """A rank's answer to the call of this number: a result, or the error that it raised."""

    rank: int
    number: int
    value: Any = None
    error: Exception | None = None


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return NotImplemented
        flat = value.detach().cpu().contiguous().reshape(-1)
        content = pickle.PickleBuffer(flat.view(torch.uint8).numpy()) if flat.numel() else None
        return _tensor, (value.dtype, tuple(value.shape), content)


def _tensor(dtype: Any, shape: tuple[int, ...], content: bytearray | None) -> Any:
    import torch

    if content is None:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)


def packed(message: Any) -> bytes:
    """A message as it goes over the wire."""
    buffer = io.BytesIO()
    buffer.write(bytes(_LENGTH.size))
    _Pickler(buffer, protocol=5).dump(message)
    buffer.seek(0)
    buffer.write(_LENGTH.pack(buffer.getbuffer().nbytes - _LENGTH.size))
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    """The message that was packed."""
    return pickle.loads(memoryview(data)[_LENGTH.size :])


def messages(connection: socket.socket) -> Iterator[Any]:
    """Messages until the other side closes or dies; one cut short by its death is dropped."""
    with connection.makefile("rb") as stream:
        try:
            while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
                (length,) = _LENGTH.unpack(head)
                body = stream.read(length)
                if len(body) < length:
                    return
                yield pickle.loads(body)
        except ConnectionError:
            return
