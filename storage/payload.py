"""Turns what a caller hands in (bytes, a file on disk, a stream) into one readable file, hashed as it is read."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.errors import ChecksumMismatch, InvalidArgument

Data = bytes | Path | BinaryIO

#: Bytes read at once while hashing or copying.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """A file positioned at its first byte, with the size and digest of everything from there on."""

    file: BinaryIO
    size_bytes: int
    sha256: str


@contextmanager
def opened(data: Data) -> Iterator[BinaryIO]:
    """`data` as a readable file; a stream of the caller is read from where it stands and stays open."""
    if isinstance(data, Path):
        try:
            file = data.open("rb")
        except OSError as error:
            raise InvalidArgument(f"cannot read the file to store, {str(data)!r}: {error.strerror}.") from error
        with file:
            yield file
    elif isinstance(data, bytes):
        yield io.BytesIO(data)
    else:
        yield data


@contextmanager
def measured(data: Data) -> Iterator[Measured]:
    """`data` as a rewindable file with its size and digest, for stores that must announce both first.

    A stream that cannot rewind goes through a temporary file.
    """
    with opened(data) as source:
        if source.seekable():
            start = source.tell()
            size_bytes, digest = copy_hashed(source, None)
            source.seek(start)
            yield Measured(source, size_bytes, digest)
            return
        with tempfile.TemporaryFile() as spool:
            size_bytes, digest = copy_hashed(source, spool)
            spool.seek(0)
            yield Measured(spool, size_bytes, digest)


def copy_hashed(source: BinaryIO, target: BinaryIO | None) -> tuple[int, str]:
    """Reads `source` to its end, into `target` if there is one; returns (size in bytes, SHA-256 in hex)."""
    digest = hashlib.sha256()
    size_bytes = 0
    while chunk := read_some(source, CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
        if target is not None:
            target.write(chunk)
    return size_bytes, digest.hexdigest()


def read_some(source: BinaryIO, size_bytes: int) -> bytes:
    """The next bytes of the caller's data; a failure of its disk or pipe is not one of the store's."""
    try:
        return source.read(size_bytes)
    except OSError as error:
        raise InvalidArgument(f"cannot read the data to store: {error.strerror or error}.") from error


def expect_digest(key: str, found: str, expected: str | None) -> None:
    """Raises ChecksumMismatch if there is an expected SHA-256 and `found` is another."""
    if expected is not None and found != expected:
        raise ChecksumMismatch(f"object {key!r} has SHA-256 {found}, expected {expected}.", key=key)
