"""Results in a bucket, where nothing can be appended: parts of the journal, written as it grows.

Every machine that ran has a token and parts of its own. Whoever begins takes in the parts of the others, so that a
run begun on one machine can go on elsewhere.
"""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omni_jobs.bulk.destination import Destination

PARTS = "results/"


class Parts:
    """The parts of one local journal. Processes that share it take turns."""

    def __init__(self, journal: Path, destination: Destination) -> None:
        self._journal = journal
        self._destination = destination
        self._state = journal.with_suffix(".parts.json")

    def take_in(self) -> None:
        """Publish what an earlier run of this machine could not, then append the rows of other machines."""
        with self._turn() as state:
            self._publish(state)
            own = f"{PARTS}{state['token']}-"
            for key, size in self._destination.list(PARTS):
                if not key.startswith(own) and state["taken"].get(key) != size:
                    with self._journal.open("ab") as journal:
                        journal.write(self._destination.read(key))
                    state["taken"][key] = size
            state["published"] = self._journal.stat().st_size

    def publish(self) -> None:
        """Write the rows since the last time as one part. Raises Unavailable: they come with the next one."""
        with self._turn() as state:
            self._publish(state)

    def _publish(self, state: dict[str, Any]) -> None:
        with self._journal.open("rb") as journal:
            journal.seek(state["published"])
            rows = journal.read()
        rows = rows[: rows.rfind(b"\n") + 1]
        if rows:
            # The number only grows once the part is there: after a crash it is written again, with more in it.
            key = f"{PARTS}{state['token']}-{state['next']:06d}.jsonl"
            self._destination.write(key, rows, "application/x-ndjson")
            state["published"] += len(rows)
            state["next"] += 1

    @contextmanager
    def _turn(self) -> Iterator[dict[str, Any]]:
        """What was published and taken so far, for one process at a time."""
        self._journal.touch()
        with self._state.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            state = (
                json.loads(text)
                if text
                else {"token": secrets.token_hex(4), "published": 0, "next": 0, "taken": {}}
            )
            try:
                yield state
            finally:
                file.seek(0)
                file.truncate()
                file.write(json.dumps(state))
