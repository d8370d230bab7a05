"""Folders and files below one root, reached without ever following a symbolic link.

Every step is opened relative to the folder before it (`openat`, `O_NOFOLLOW`), so that neither a planted link
nor one that appears between check and use leads out of the root. Used by the local store only.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.errors import (
    AccessDenied,
    InvalidKey,
    Misconfigured,
    NotFound,
    StorageError,
    StorageFull,
    Unreachable,
)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: How often a folder may be removed by a neighbour's delete between making it and using it.
_CREATE_ATTEMPTS = 100

_ERROR_OF_ERRNO: dict[int, type[StorageError]] = {
    errno.ENOENT: NotFound,
    errno.EACCES: AccessDenied,
    errno.EPERM: AccessDenied,
    errno.EROFS: AccessDenied,
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.ENAMETOOLONG: InvalidKey,
    errno.ENOTDIR: InvalidKey,
    errno.ELOOP: InvalidKey,
}


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Turns an operating-system error into the store's own, naming `key` and never a path outside it."""
    try:
        yield
    except OSError as error:
        kind = _ERROR_OF_ERRNO.get(error.errno or 0, Unreachable)
        raise kind(f"object {key!r}: {error.strerror or error}.", key=key) from error


class FolderTree:
    """The folders below `root`, which must exist; the root itself may be a link that its owner made."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def folder(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        """A descriptor of the folder; missing ones are made, durably, if `create`.

        Raises:
            OSError: a folder is missing or is a link.
            Misconfigured: the root itself is gone, which must not look like a store without objects.
        """
        try:
            descriptor = os.open(self._root, _FOLDER & ~os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise Misconfigured(
                f"storage folder {str(self._root)!r} is gone.", remedy="Mount or make it."
            ) from error
        try:
            for part in parts:
                if create:
                    _make_folder(part, descriptor)
                deeper = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def new_file(self, parts: tuple[str, ...], name: str) -> Iterator[tuple[int, int]]:
        """Descriptors of the folder and of a new file `name` in it, removed again if the block raises.

        The file keeps the folder from being removed by a neighbour's delete. Raises OSError.
        """
        for _ in range(_CREATE_ATTEMPTS):
            with suppress(FileNotFoundError), self.folder(parts, create=True) as folder:
                file = os.open(name, _CREATE, 0o644, dir_fd=folder)
                break
        else:
            raise OSError(errno.EBUSY, "the folder is removed as fast as it is made")
        try:
            with self.folder(parts) as folder:
                try:
                    yield folder, file
                except BaseException:
                    os.unlink(name, dir_fd=folder)
                    raise
        except BaseException:
            self.remove_empty(parts)
            raise
        finally:
            os.close(file)

    def names(self, parts: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """(files, folders) directly in a folder; links and other things are left out. A missing one is empty."""
        files: list[str] = []
        folders: list[str] = []
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            self.folder(parts) as folder,
            os.scandir(folder) as rows,
        ):
            for row in rows:
                if row.is_dir(follow_symlinks=False):
                    folders.append(row.name)
                elif row.is_file(follow_symlinks=False):
                    files.append(row.name)
        return files, folders

    def remove_empty(self, parts: tuple[str, ...]) -> None:
        """Removes the folder and those above it, as far as they are empty; never the root."""
        for depth in range(len(parts), 0, -1):
            try:
                with self.folder(parts[: depth - 1]) as parent:
                    os.rmdir(parts[depth - 1], dir_fd=parent)
            except OSError:
                return


@contextmanager
def locked(folder: int) -> Iterator[None]:
    """Keeps other threads and processes out of the same section on this folder."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


def read_file(name: str, folder: int) -> int:
    """A descriptor of an existing file of the folder, for reading."""
    return os.open(name, _READ, dir_fd=folder)


def write_new(name: str, content: bytes, folder: int) -> None:
    """Makes a file of the folder, its content on the disk when this returns."""
    with os.fdopen(os.open(name, _CREATE, 0o644, dir_fd=folder), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(part: str, parent: int) -> None:
    try:
        os.mkdir(part, 0o755, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)
