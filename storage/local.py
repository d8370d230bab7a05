"""Objects on a local or mounted disk: the default of `omni-jobs up`, and what tests use for speed.

Readers take no lock: they read the side-car, then the file it names, and look again if a writer replaced both
in between. Writers hold the folder's lock only for the final rename.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage import links, sidecar
from storage.arguments import check_digest, check_expiry, check_header, check_key
from storage.base import DEFAULT_CONTENT_TYPE, ListedObject, ObjectInfo, ObjectStore, announced
from storage.errors import AlreadyExists, ChecksumMismatch, Misconfigured, NotFound
from storage.folders import FolderTree, locked, read_file, translated
from storage.local_walk import objects_below, sweep_below
from storage.payload import Data, copy_hashed, expect_digest, opened

#: How often a reader looks again when writers replace the object under it.
_READ_ATTEMPTS = 100


class LocalStore(ObjectStore):
    """One folder as an object store, safe for any number of threads and processes on one machine."""

    def __init__(
        self,
        root: Path | str,
        *,
        signing_secret: bytes | None = None,
        link_base: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Makes the folder if it is missing.

        Args:
            signing_secret: at least 16 bytes, the same in every process that makes or checks links.
            link_base: address put before the key of a link, such as `https://host/v1/artifacts/`.
            clock: Unix time in seconds, for the expiry of links.

        Raises:
            Misconfigured: the folder cannot be made or is a file; the secret is too short.
        """
        if signing_secret is not None and len(signing_secret) < links.MIN_SECRET_BYTES:
            raise Misconfigured(f"signing_secret is shorter than {links.MIN_SECRET_BYTES} bytes.")
        self._root = Path(root).absolute()
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"storage folder {str(self._root)!r}: {error.strerror}.",
                remedy="Name a folder that this user may create and write.",
            ) from error
        self._tree = FolderTree(self._root)
        self._secret = signing_secret
        self._link_base = link_base
        self._clock = clock

    def __repr__(self) -> str:
        return f"LocalStore({str(self._root)!r})"

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
        *parents, leaf = check_key(key)
        expected = None if sha256 is None else check_digest(sha256)
        info = announced(key, content_type, metadata, cache_control)
        blob = sidecar.new_blob_name(leaf)
        with opened(data) as source, translated(key):
            with self._tree.new_file(tuple(parents), blob) as (folder, file):
                with os.fdopen(os.dup(file), "wb") as target:
                    size_bytes, digest = copy_hashed(source, target)
                    target.flush()
                    os.fsync(file)
                expect_digest(key, digest, expected)
                info = replace(info, size_bytes=size_bytes, sha256=digest, etag=digest)
                prepared = sidecar.prepare(leaf, sidecar.Sidecar(info, blob), folder)
            with self._tree.folder(tuple(parents)) as folder:
                existing = _commit(leaf, info, prepared, folder, if_absent)
                if existing is None:
                    return info
                os.unlink(prepared, dir_fd=folder)
                os.unlink(blob, dir_fd=folder)
        if (existing.size_bytes, existing.sha256) != (info.size_bytes, info.sha256):
            raise AlreadyExists(f"object {key!r} already holds other bytes.", key=key)
        return existing

    def get(self, key: str) -> bytes:
        found, file = self._open(key)
        with file, translated(key):
            content = file.read()
        if (len(content), hashlib.sha256(content).hexdigest()) != (found.size_bytes, found.sha256):
            raise ChecksumMismatch(f"object {key!r} is damaged on disk.", key=key, remedy="Restore or delete it.")
        return content

    def open(self, key: str) -> BinaryIO:
        return self._open(key)[1]

    def _open(self, key: str) -> tuple[ObjectInfo, BinaryIO]:
        *parents, leaf = check_key(key)
        with translated(key), self._tree.folder(tuple(parents)) as folder:
            for _ in range(_READ_ATTEMPTS):
                found = sidecar.read(key, leaf, folder)
                with suppress(FileNotFoundError):
                    return found.info, os.fdopen(read_file(found.blob, folder), "rb")
        raise ChecksumMismatch(f"object {key!r}: the file with its bytes is gone.", key=key)

    def head(self, key: str) -> ObjectInfo:
        found, file = self._open(key)
        with file:
            size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes != found.size_bytes:
            raise ChecksumMismatch(
                f"object {key!r} has {size_bytes} bytes on disk, {found.size_bytes} were written.", key=key
            )
        return found

    def delete(self, key: str) -> None:
        *parents, leaf = check_key(key)
        with suppress(NotFound), translated(key):
            with self._tree.folder(tuple(parents)) as folder, locked(folder):
                blob: str | None = None
                with suppress(ChecksumMismatch):
                    blob = sidecar.read(key, leaf, folder).blob
                os.unlink(sidecar.name_of(leaf), dir_fd=folder)
                os.fsync(folder)
                if blob is not None:
                    os.unlink(blob, dir_fd=folder)
            self._tree.remove_empty(tuple(parents))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ListedObject]:
        for parents, leaf in objects_below(self._tree, (), prefix, start_after):
            key = "/".join((*parents, leaf))
            with suppress(NotFound, ChecksumMismatch), translated(key):
                with self._tree.folder(parents) as folder:
                    info = sidecar.read(key, leaf, folder).info
                    modified = os.stat(sidecar.name_of(leaf), dir_fd=folder, follow_symlinks=False).st_mtime
                yield ListedObject(key, info.size_bytes, datetime.fromtimestamp(modified, UTC))

    def presign_get(
        self, key: str, expires_seconds: int, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        check_key(key)
        expires_at = int(self._clock()) + check_expiry(expires_seconds)
        if filename is not None:
            links.content_disposition(filename)
        if content_type is not None:
            check_header("content_type", content_type)
        link = links.Link(key, expires_at, filename, content_type)
        return self._link_base + links.sign(link, self._need_secret())

    def verify_presigned(self, key: str, query: Mapping[str, str]) -> links.Link:
        """What a request with this key and decoded query may read. Raises LinkRefused, Misconfigured."""
        return links.verify(key, query, self._need_secret(), self._clock())

    def _need_secret(self) -> bytes:
        if self._secret is None:
            raise Misconfigured(
                "the local store has no signing_secret.",
                remedy="Set one, the same in every process that makes or checks links.",
            )
        return self._secret

    def sweep_abandoned(self, older_than_seconds: float = 86400.0) -> int:
        return sweep_below(self._tree, (), time.time() - older_than_seconds)


def _commit(leaf: str, info: ObjectInfo, prepared: str, folder: int, if_absent: bool) -> ObjectInfo | None:
    """Makes the prepared side-car the object's and drops the file it replaces.

    Returns the object in the way, if there is one and it must not be replaced; then nothing has changed.
    """
    with locked(folder):
        old: sidecar.Sidecar | None = None
        with suppress(FileNotFoundError, ChecksumMismatch):
            old = sidecar.read(info.key, leaf, folder)
        if if_absent and old is not None:
            return old.info
        sidecar.replace(leaf, prepared, folder)
        if old is not None:
            with suppress(FileNotFoundError):
                os.unlink(old.blob, dir_fd=folder)
    return None
