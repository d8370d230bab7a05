"""Walks over a whole local store: listing in S3's order, and sweeping what interrupted writes left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from storage import sidecar
from storage.errors import ChecksumMismatch
from storage.folders import FolderTree, locked, translated

Parts = tuple[str, ...]


def objects_below(tree: FolderTree, parents: Parts, prefix: str, after: str) -> Iterator[tuple[Parts, str]]:
    """Objects as (folder, leaf) whose key begins with `prefix` and sorts after `after`.

    In byte order of the whole key, as S3 lists: a folder sorts as its name with the slash. Folders that can
    hold no such key are not read.
    """
    above = "".join(part + "/" for part in parents)
    with translated(above):
        files, folders = tree.names(parents)
    leaves = [name.removesuffix(sidecar.SUFFIX) for name in files if name.endswith(sidecar.SUFFIX)]
    for name in sorted([*leaves, *(folder + "/" for folder in folders)]):
        path = above + name
        if not name.endswith("/"):
            if path.startswith(prefix) and path > after:
                yield parents, name
        elif (path.startswith(prefix) or prefix.startswith(path)) and (path > after or after.startswith(path)):
            yield from objects_below(tree, (*parents, name[:-1]), prefix, after)


def sweep_below(tree: FolderTree, parents: Parts, before: float) -> int:
    """Removes files of ours that no side-car names and that were last written before `before` (Unix seconds)."""
    removed = 0
    with translated("/".join(parents)):
        _, folders = tree.names(parents)
        with suppress(FileNotFoundError), tree.folder(parents) as folder, locked(folder):
            for name in _unreferenced(tree, parents, folder):
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < before:
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    removed += sum(sweep_below(tree, (*parents, name), before) for name in folders)
    tree.remove_empty(parents)
    return removed


def _unreferenced(tree: FolderTree, parents: Parts, folder: int) -> list[str]:
    files, _ = tree.names(parents)
    kept = {name for name in files if "~" not in name or name.endswith(sidecar.SUFFIX)}
    for name in files:
        if name.endswith(sidecar.SUFFIX):
            # A damaged side-car keeps nothing alive: its object cannot be read anyway.
            with suppress(ChecksumMismatch, FileNotFoundError):
                kept.add(sidecar.read(name, name.removesuffix(sidecar.SUFFIX), folder).blob)
    return [name for name in files if name not in kept]
