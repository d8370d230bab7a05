"""A spool folder per worker process, locked while it lives, so that others can sweep what a dead one left."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "worker-"
#: Locks of this process's folders; closing one gives its folder up.
_locks: list[IO[str]] = []


def own_spool(parent: Path) -> Path:
    """A fresh folder for this process under `parent`; those of dead processes are removed."""
    parent = parent.absolute()
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove_if_abandoned(folder)
    # Until it is locked it has another name: who starts at the same moment would take it for a dead one's.
    new = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
    lock = (new / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _locks.append(lock)
    return new.rename(parent / new.name.replace("new-", PREFIX, 1))


def _remove_if_abandoned(folder: Path) -> None:
    with (folder / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
