"""The one contract of all object stores, called by the worker (results), the API and the client (uploads).

Stores are synchronous and may be shared by threads. A key is written whole or not at all: a reader sees the
old object, the new one, or none. The SHA-256 of every object is computed by us and kept with it.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import BinaryIO, Self

from storage.arguments import check_header, check_key, check_metadata
from storage.errors import AccessDenied, ChecksumMismatch, Misconfigured, NotFound
from storage.payload import Data

DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of one object without reading it.

    `sha256` is None only for an object that another program wrote without our digest.
    """

    key: str
    size_bytes: int
    sha256: str | None
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    cache_control: str | None = None
    etag: str | None = None


def announced(
    key: str, content_type: str, metadata: Mapping[str, str] | None, cache_control: str | None
) -> ObjectInfo:
    """The facts a caller gives about an object not yet written, checked; size and digest are still to come.

    Raises:
        InvalidKey, InvalidArgument: a fact that some store could not keep.
    """
    check_key(key)
    return ObjectInfo(
        key=key,
        size_bytes=0,
        sha256=None,
        content_type=check_header("content_type", content_type),
        metadata=check_metadata(metadata or {}),
        cache_control=None if cache_control is None else check_header("cache_control", cache_control),
    )


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One row of a listing; S3 lists neither types nor digests, so `head` is asked for those."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStore(ABC):
    """Objects under keys, on one disk or in one bucket. Every method raises `StorageError` subclasses only."""

    @abstractmethod
    def put(
        self,
        key: str,
        data: Data,
        *,
        content_type: str = DEFAULT_CONTENT_TYPE,
        metadata: Mapping[str, str] | None = None,
        cache_control: str | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Writes one object, replacing what was there.

        Args:
            data: bytes, a file's path, or a stream read from where it stands to its end.
            metadata: lower-case names, printable ASCII values, under 1900 bytes in all.
            sha256: the digest the caller expects; other bytes are refused and nothing is stored.
            if_absent: refuse to replace other bytes. The same bytes already there are a success, so that a
                put may be repeated after a lost answer. Atomic on the local store; on S3 it depends on the
                vendor (some let several racing writers win): never use it as a lock.

        Raises:
            InvalidKey, InvalidArgument, ChecksumMismatch, AlreadyExists, AccessDenied, StorageFull, Unreachable.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """All bytes of an object, checked against its digest. Raises NotFound, ChecksumMismatch."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """An object as a stream that the caller closes; the digest is not checked. Raises NotFound."""

    @abstractmethod
    def head(self, key: str) -> ObjectInfo:
        """What is known of an object. Raises NotFound."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes an object; one that is not there is a success."""

    def delete_many(self, keys: Iterable[str]) -> None:
        """Removes objects in as few requests as the store allows; missing ones are a success."""
        for key in keys:
            self.delete(key)

    @abstractmethod
    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ListedObject]:
        """Objects whose key begins with the text `prefix` and sorts after `start_after`, in byte order."""

    @abstractmethod
    def presign_get(
        self, key: str, expires_seconds: int, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """A link that gives the object to whoever holds it, for 1 second to 7 days.

        Whether the object exists is not checked. `filename` makes a browser save it under that name;
        `content_type` replaces the stored one in the answer. Raises InvalidArgument, Misconfigured.
        """

    @abstractmethod
    def sweep_abandoned(self, older_than_seconds: float = 86400.0) -> int:
        """Removes what interrupted writes left behind (never visible as objects); returns how many."""

    def verify(self, expected: ObjectInfo) -> None:
        """Asks the store back for size and digest; raises ChecksumMismatch or NotFound. Called before a commit."""
        found = self.head(expected.key)
        if (found.size_bytes, found.sha256) != (expected.size_bytes, expected.sha256):
            raise ChecksumMismatch(
                f"object {expected.key!r} is {found.size_bytes} bytes, SHA-256 {found.sha256}; "
                f"expected {expected.size_bytes} bytes, {expected.sha256}.",
                key=expected.key,
            )

    def check(self) -> None:
        """Writes, reads back and deletes one small object; called once at start.

        Raises:
            Misconfigured: the store refuses us or is not there; the message has the remedy.
            Unreachable: no answer; trying again later may help.
        """
        key = f"omni-check-{secrets.token_hex(8)}"
        content = secrets.token_bytes(64)
        try:
            info = self.put(key, content)
            self.verify(info)
            found = self.get(key)
            self.delete(key)
        except (AccessDenied, NotFound) as error:
            raise Misconfigured(
                f"{self!r} refused a write, read or delete: {error}",
                remedy="Give these credentials the right to put, get, list and delete objects there.",
            ) from error
        if found != content:
            raise Misconfigured(f"{self!r} gave back other bytes than were written.", remedy="Check its proxies.")

    def close(self) -> None:  # noqa: B027 (a store without connections has nothing to release)
        """Releases connections; the store is not used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
