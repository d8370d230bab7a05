"""Keeps measured caps across restarts: one small JSON file per model, believed only on the device it was made on.

The engine reads it once and writes it whenever a cap settles. A file that cannot be read or written costs only the
measuring, so it is reported and otherwise ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import structlog

from workers.engine.caps import Measured

log = structlog.get_logger(__name__)

VERSION = 1


class CapsFile:
    """Caps under `path`, made on the device and with the versions that `identity` names."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity

    def read(self) -> dict[str, Measured]:
        """What was kept, by label; nothing if it was measured elsewhere."""
        try:
            data = json.loads(self._path.read_text("utf-8"))
            if (data["version"], data["identity"]) != (VERSION, self._identity):
                return {}
            kept = [Measured.from_json(table) for table in data["caps"]]
            return {measured.label: measured for measured in kept}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("kept caps cannot be read, and are measured anew", path=str(self._path), error=str(error))
            return {}

    def write(self, caps: Iterable[Measured]) -> None:
        """Replace what is kept, all at once."""
        tables = [measured.to_json() for measured in caps]
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps({"version": VERSION, "identity": self._identity, "caps": tables}))
            unfinished.replace(self._path)
        except OSError as error:
            log.warning("measured caps cannot be kept", path=str(self._path), error=str(error))
