"""The results file as the one truth about what is done: appended row by row, read again at the next start.

Several runs may append to one file. Each append takes the file's lock, reads what others wrote meanwhile, and cuts
off what a killed writer left half written. The index over it is on disk and private to the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from omni_jobs.bulk.results import Outcome, Result
from omni_jobs.errors import Misconfigured, StorageUnavailable

LOG = structlog.get_logger(__name__)
CACHE_KIB = 8192
READ_BYTES = 1 << 20
LATEST = """
SELECT place FROM rows AS row WHERE status NOT IN (?, ?)
    OR NOT EXISTS (SELECT 1 FROM rows AS later WHERE later.line = row.line AND later.place > row.place)
ORDER BY place
"""


class Journal:
    """The rows of a results file, the latest for each line. Safe for threads and processes of one machine."""

    def __init__(self, path: Path) -> None:
        """Reads what is there. Raises Misconfigured if the file cannot be opened."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Misconfigured(f"{path} cannot be written: {error.strerror}.", field="out") from error
        self._lock = threading.Lock()
        self._read_to = 0
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in (f"cache_size=-{CACHE_KIB}", "journal_mode=OFF", "synchronous=OFF"):
            self._index.execute(f"PRAGMA {pragma}")
        self._index.execute(
            "CREATE TABLE rows (id TEXT PRIMARY KEY, place INT, status TEXT, line INT) WITHOUT ROWID"
        )
        self._index.execute("BEGIN")
        with self._alone():
            return

    def find(self, line_id: str) -> Result | None:
        """The latest row of a line."""
        with self._lock:
            found = self._index.execute("SELECT place FROM rows WHERE id = ?", (line_id,)).fetchone()
            return None if found is None else self._row_at(int(found[0]))

    def append(self, result: Result) -> bool:
        """Write a row, unless the line's latest one, maybe by another run, says the same. Whether it was written.

        Raises:
            StorageUnavailable: the disk is full.
        """
        row = json.dumps(result.to_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with self._alone():
            found = self._index.execute("SELECT place FROM rows WHERE id = ?", (result.line_id,)).fetchone()
            if found is not None and _says_the_same(self._row_at(int(found[0])), result):
                return False
            self._write(row)
            self._note(result, self._read_to)
            self._read_to += len(row)
            return True

    def counts(self) -> Counter[Outcome]:
        """Lines by their latest outcome."""
        with self._lock:
            rows = self._index.execute("SELECT status, count(*) FROM rows GROUP BY status").fetchall()
        return Counter({Outcome(status): int(count) for status, count in rows})

    def results(self) -> Iterator[Result]:
        """The latest row of each line, in the order in which they ended; for a journal that nobody appends to.

        What was said of a line that could not run is left out if its place in the manifest was used later.
        """
        with self._lock:
            self._index.execute("CREATE INDEX IF NOT EXISTS lines ON rows (line, place)")
            places = self._index.execute(LATEST, (Outcome.INVALID, Outcome.REPEATED))
        for (place,) in places:
            yield self._row_at(int(place))

    def synced(self) -> None:
        """Have the rows so far survive a loss of power."""
        os.fsync(self._file)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)
        self._index.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else appends; what others did is read, a torn end is gone."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._catch_up()
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        size = os.fstat(self._file).st_size
        while self._read_to < size:
            chunk = os.pread(self._file, READ_BYTES, self._read_to)
            whole = chunk.rfind(b"\n") + 1
            if not whole:
                LOG.warning("torn_row_dropped", bytes=size - self._read_to)
                os.ftruncate(self._file, self._read_to)
                return
            for line in chunk[:whole].splitlines(keepends=True):
                self._take(line)
                self._read_to += len(line)

    def _take(self, line: bytes) -> None:
        try:
            self._note(Result.from_json(json.loads(line)), self._read_to)
        except ValueError as error:
            LOG.warning("row_not_understood", place=self._read_to, error=str(error))

    def _write(self, row: bytes) -> None:
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise StorageUnavailable(f"The results cannot be written: {error.strerror}.") from error
        if written < len(row):
            os.ftruncate(self._file, self._read_to)
            raise StorageUnavailable("The results cannot be written: the disk is full.")

    def _note(self, result: Result, place: int) -> None:
        self._index.execute(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", (result.line_id, place, result.status, result.line)
        )

    def _row_at(self, place: int) -> Result:
        row = b""
        while not row.endswith(b"\n"):
            row += os.pread(self._file, 4096, place + len(row))
            if b"\n" in row:
                row = row[: row.index(b"\n") + 1]
        return Result.from_json(json.loads(row))


def _says_the_same(old: Result, new: Result) -> bool:
    return (old.status, old.generation, old.outputs) == (new.status, new.generation, new.outputs)
