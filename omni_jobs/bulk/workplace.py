"""A run's place: the destination, the journal of its results, and the lock that says who else may write there.

In a folder the journal is `results.jsonl` itself. For a bucket it is kept on this machine and published in parts
below `results/`; parts of other machines are taken in at the start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from omni_jobs.bulk import control
from omni_jobs.bulk.destination import OWN, Destination, Folder
from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest.seen import Seen
from omni_jobs.bulk.parts import Parts
from omni_jobs.bulk.results import Output
from omni_jobs.errors import Misconfigured

RESULTS = "results.jsonl"


class Workplace:
    """Opened by one run; `exclusive` keeps every other run out, else those that are not exclusive may join.

    `own` is a folder on this machine for what is nobody else's.
    """

    def __init__(self, destination: Destination, data_dir: Path, *, exclusive: bool) -> None:
        """Raises Misconfigured: another run works here, or the place cannot be written."""
        self.destination = destination
        results = results_of(destination, data_dir)
        self.own = results.parent / OWN
        self._lock = _locked(self.own, destination.place, exclusive)
        if isinstance(destination, Folder):
            destination.sweep()
        else:
            self._parts = Parts(results, destination)
        self.journal = read_journal(destination, data_dir)

    def is_there(self, output: Output) -> bool:
        """Whether an output still is where it was written, with its size."""
        if isinstance(self.destination, Folder):
            return self.destination.size(output.key) == output.size_bytes
        return self._listed.get(output.key) == output.size_bytes

    def publish(self, status: Mapping[str, Any]) -> None:
        """Let others see how far it is."""
        self.journal.synced()
        if not isinstance(self.destination, Folder):
            self._parts.publish()
        control.write_status(self.destination, status)

    def settle(self, status: Mapping[str, Any]) -> None:
        """The run ends: the last word, and the place is free."""
        try:
            self.publish(status)
        finally:
            self.journal.close()
            os.close(self._lock)

    @cached_property
    def _listed(self) -> Seen:
        """What the bucket held when this run first asked: one listing is cheaper than a question an output."""
        listed = Seen()
        for key, size in self.destination.list(""):
            listed.first(key, size)
        return listed


def results_of(destination: Destination, data_dir: Path) -> Path:
    """The results file of a destination on this machine."""
    if isinstance(destination, Folder):
        return destination.path / RESULTS
    return data_dir / "bulk" / hashlib.sha256(destination.place.encode()).hexdigest()[:16] / RESULTS


def read_journal(destination: Destination, data_dir: Path) -> Journal:
    """The journal with everything that any machine has published. Raises Misconfigured, Unavailable."""
    results = results_of(destination, data_dir)
    if not isinstance(destination, Folder):
        results.parent.mkdir(parents=True, exist_ok=True)
        Parts(results, destination).take_in()
    return Journal(results)


def _locked(folder: Path, place: str, exclusive: bool) -> int:
    """A lock on the place, held until it is closed, or the process ends in whatever way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Misconfigured(f"{folder} cannot be written: {error.strerror}.", field="out") from error
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Misconfigured(
            f"Another run writes to {place}.",
            field="out",
            value=place,
            remedy="Wait for it, call it off (`omni-jobs bulk cancel`), or write elsewhere.",
        ) from None
    return lock
