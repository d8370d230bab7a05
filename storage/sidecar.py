"""The small JSON file beside each object of the local store: its facts, and the name of the file with its bytes.

The side-car is the object: replacing it (one rename) is the only moment an object changes, so that a crash or a
concurrent writer can never pair one writer's bytes with another's facts. Called by the local store only.

    out/j/0.png   ->   out/j/0.png~meta.json     facts, names the next file
                       out/j/0~3f9a1c52.png      the bytes, a new file for every write
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass

from storage.base import ObjectInfo
from storage.errors import ChecksumMismatch
from storage.folders import read_file, write_new

SUFFIX = "~meta.json"
_FORMAT = 1
_BLOB_NAME = re.compile(r"[A-Za-z0-9._=+,@:-]*~[0-9a-f]{16}(?:\.[A-Za-z0-9_=+,@:-]*)?")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The facts of one object and the file, in the same folder, that holds its bytes."""

    info: ObjectInfo
    blob: str


def name_of(leaf: str) -> str:
    """The side-car's file name for the last part of a key."""
    return leaf + SUFFIX


def new_blob_name(leaf: str) -> str:
    """A fresh file name that keeps the extension, so that a person can open the file with a viewer."""
    stem, dot, extension = leaf.rpartition(".")
    token = secrets.token_hex(8)
    return f"{stem}~{token}.{extension}" if dot else f"{leaf}~{token}"


def read(key: str, leaf: str, folder: int) -> Sidecar:
    """The side-car of the object `leaf` in `folder`. Raises FileNotFoundError, ChecksumMismatch (damaged)."""
    with os.fdopen(read_file(name_of(leaf), folder), "rb") as file:
        text = file.read()
    try:
        row = json.loads(text)
        blob = row["blob"]
        info = ObjectInfo(
            key=key,
            size_bytes=int(row["size_bytes"]),
            sha256=str(row["sha256"]),
            content_type=str(row["content_type"]),
            metadata=dict(row["metadata"]),
            cache_control=row["cache_control"],
            etag=str(row["sha256"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ChecksumMismatch(f"object {key!r}: its side-car file is damaged ({error}).", key=key) from error
    if not isinstance(blob, str) or not _BLOB_NAME.fullmatch(blob):
        raise ChecksumMismatch(f"object {key!r}: its side-car names {blob!r}, not a file of ours.", key=key)
    return Sidecar(info, blob)


def prepare(leaf: str, sidecar: Sidecar, folder: int) -> str:
    """Writes the facts durably beside the object, not yet as its own; returns the file's name."""
    info = sidecar.info
    row = {
        "format": _FORMAT,
        "blob": sidecar.blob,
        "size_bytes": info.size_bytes,
        "sha256": info.sha256,
        "content_type": info.content_type,
        "metadata": dict(info.metadata),
        "cache_control": info.cache_control,
    }
    prepared = f"{leaf}~{secrets.token_hex(8)}.tmp"
    write_new(prepared, json.dumps(row, sort_keys=True).encode("utf-8"), folder)
    return prepared


def replace(leaf: str, prepared: str, folder: int) -> None:
    """Makes the prepared facts the object's, durably, in one step."""
    os.replace(prepared, name_of(leaf), src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
