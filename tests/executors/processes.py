"""What this process has started and what lies in shared memory, as the system sees it."""

from __future__ import annotations

import os
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """Process ids of a process's children (ours by default), zombies included."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if int(facts[1]) == (parent or os.getpid()):
            found.add(int(status.parent.name))
    return found


def descendants(parent: int | None = None) -> set[int]:
    """The same with their own children, and so on."""
    found = children(parent)
    return found.union(*(descendants(child) for child in found))


def shared_memory() -> set[str]:
    """Names of the shared memory segments of this machine that a torch or Python process may have made."""
    return {path.name for path in Path("/dev/shm").iterdir() if path.name.startswith(("torch_", "psm_", "sem."))}
