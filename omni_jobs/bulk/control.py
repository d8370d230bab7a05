"""What a run and those who watch it leave for each other: its command, its status, a call to stop.

All of it are small objects at the destination, so that any machine that reaches that can take part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from omni_jobs.bulk.destination import Destination
from omni_jobs.errors import NotFound

COMMAND = "bulk.json"
STATUS = "status.json"
CALL_OFF = "cancel"
#: States of a run that goes on.
LIVE = ("running", "canceling")
#: A run that says nothing for so long has died, or its machine sleeps.
SILENCE_SECONDS = 30.0


def write_command(destination: Destination, command: Mapping[str, Any]) -> None:
    """Keep how the run was started, for `retry` and people."""
    _write(destination, COMMAND, command)


def read_command(destination: Destination) -> dict[str, Any]:
    """How the last run was started. Raises NotFound if none ever was."""
    return _read(destination, COMMAND)


def write_status(destination: Destination, status: Mapping[str, Any]) -> None:
    """Say how far the run is."""
    _write(destination, STATUS, status)


def last_status(destination: Destination) -> dict[str, Any]:
    """What the last run said; its state is `lost` if it should have said more. Raises NotFound if none did."""
    status = _read(destination, STATUS)
    silence = (datetime.now(UTC) - datetime.fromisoformat(status["updated_at"])).total_seconds()
    return status | ({"state": "lost"} if status["state"] in LIVE and silence > SILENCE_SECONDS else {})


def call_off(destination: Destination) -> None:
    """Ask the run to stop."""
    destination.write(CALL_OFF, b"", "text/plain")


def is_called_off(destination: Destination) -> bool:
    """Whether somebody asked it to."""
    return destination.size(CALL_OFF) is not None


def clear(destination: Destination) -> None:
    """A new run begins: what was asked of the one before does not concern it."""
    destination.delete(CALL_OFF)


def _write(destination: Destination, key: str, value: Mapping[str, Any]) -> None:
    destination.write(key, json.dumps(value, indent=1).encode(), "application/json")


def _read(destination: Destination, key: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(destination.read(key))
    except NotFound as error:
        raise NotFound(f"{destination.place} holds no bulk run.", field="out", value=destination.place) from error
    return found
