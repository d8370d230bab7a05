"""Where a run writes: a folder with plain files, or a bucket. Both write an object whole or not at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from omni_jobs.errors import NotFound, StorageUnavailable
from omni_jobs.settings import Settings

BUCKET = "s3://"
#: What a run keeps for itself in its folder.
OWN = ".bulk"
#: A file that a killed run left half written may go after so long.
ABANDONED_SECONDS = 3600.0


class Destination(Protocol):
    """Objects by key. Methods may be called from any thread.

    Raises:
        StorageUnavailable: it does not answer, or is full; trying again may help.
        Misconfigured: it refuses us.
    """

    place: str
    #: Seconds between two looks that cost a request.
    look_seconds: float

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write an object, replacing what was there."""
        ...

    def read(self, key: str) -> bytes:
        """Raises NotFound."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of an object, None if it is not there."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys and sizes below a prefix that ends with a slash."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...


class Folder:
    """Plain files below a folder."""

    look_seconds = 0.5

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.place = str(path)
        self._drafts = self.path / OWN / "drafts"

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        target = self.path / key
        draft = self._drafts / secrets.token_hex(8)
        try:
            self._drafts.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            draft.replace(target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageUnavailable(f"{target} cannot be written: {error.strerror}.") from error

    def read(self, key: str) -> bytes:
        try:
            return (self.path / key).read_bytes()
        except OSError as error:
            raise NotFound(f"{self.path / key}: {error.strerror}.") from error

    def size(self, key: str) -> int | None:
        try:
            return (self.path / key).stat().st_size
        except OSError:
            return None

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        for path in sorted((self.path / prefix).rglob("*")):
            if path.is_file():
                yield path.relative_to(self.path).as_posix(), path.stat().st_size

    def delete(self, key: str) -> None:
        (self.path / key).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed runs left half written."""
        for draft in self._drafts.glob("*"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > ABANDONED_SECONDS:
                    draft.unlink()


def open_destination(out: str, settings: Settings) -> Destination:
    """The destination that `--out` names; the keys of a bucket are those of the settings.

    Raises:
        Misconfigured, StorageUnavailable: the address cannot be used.
    """
    if not out.startswith(BUCKET):
        return Folder(Path(out))
    # Only now: a bucket needs more packages than a client has.
    from omni_jobs.bulk.bucket import Bucket

    return Bucket(out, settings)
