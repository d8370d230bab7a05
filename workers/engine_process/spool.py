"""Pixels and samples between processes: raw files in a spool folder, described by a few words of JSON.

An engine process writes into a folder of its own; the receiver of its message takes the files over and removes
them. Never pickle, never shared memory that a container caps.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

Kind = Literal["image", "video", "audio", "tensors"]
#: Bytes of one element by dtype name.
ITEM_BYTES = {"uint8": 1, "float32": 4}


@dataclass(frozen=True)
class SpoolFile:
    """One output or input as raw bytes in C order.

    Shapes: image (height, width, channels) uint8; video (frames, height, width, channels) uint8 at `rate` frames
    per second; audio (samples, channels) float32 at `rate` samples per second; tensors (bytes,) uint8, a whole
    safetensors file.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str = "uint8"
    kind: Kind = "image"
    rate: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpoolFile:
        return cls(**{**data, "shape": tuple(data["shape"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * ITEM_BYTES[self.dtype]

    def read(self) -> bytes:
        """The content; the file stays. Raises ValueError if its size is not that of its shape."""
        content = Path(self.path).read_bytes()
        if len(content) != self.size_bytes:
            raise ValueError(f"spool file {self.path} has {len(content)} bytes, {self.size_bytes} are expected.")
        return content

    def remove(self) -> None:
        """Delete the file; one that is gone is fine."""
        Path(self.path).unlink(missing_ok=True)

    def take(self) -> bytes:
        """Read and remove."""
        try:
            return self.read()
        finally:
            self.remove()


@contextmanager
def folder_of_process(spool: Path, process_id: int) -> Iterator[Path]:
    """Where an engine process writes; what it wrote and did not come to tell goes with it."""
    folder = spool / f"engine-{process_id}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def taken_over(messages: Iterable[dict[str, Any]], spool: Path) -> Iterator[dict[str, Any]]:
    """Messages of an engine process, the files that they name being moved out of its folder into the spool."""
    for message in messages:
        for file in message.get("files", [message["file"]] if "file" in message else []):
            path = Path(file["path"])
            with suppress(FileNotFoundError):  # whoever reads it will say so
                file["path"] = str(path.rename(spool / path.name))
        yield message


def write_spool(
    folder: Path,
    content: bytes | memoryview,
    shape: tuple[int, ...],
    *,
    dtype: str = "uint8",
    kind: Kind = "image",
    rate: float | None = None,
) -> SpoolFile:
    """Write raw bytes under a fresh name. Raises OSError when the disk is full."""
    path = folder / f"{kind}-{secrets.token_hex(8)}.raw"
    try:
        path.write_bytes(content)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return SpoolFile(str(path), shape, dtype, kind, rate)
