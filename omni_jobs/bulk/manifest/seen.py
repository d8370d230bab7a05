"""Numbers by key, on disk, so that memory does not grow with the manifest: lines met, objects there."""

from __future__ import annotations

import sqlite3

#: Kibibytes of the table that stay in memory.
CACHE_KIB = 4096


class Seen:
    """The first number given for each key. The file has no name and is gone with this object. For one thread."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in (f"cache_size=-{CACHE_KIB}", "journal_mode=OFF", "synchronous=OFF"):
            self._table.execute(f"PRAGMA {pragma}")
        self._table.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._table.execute("BEGIN")

    def first(self, key: str, number: int) -> int | None:
        """The number with which this key came first; None if that is now."""
        if self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, number)).rowcount:
            return None
        return self.get(key)

    def get(self, key: str) -> int | None:
        """The number of this key."""
        found = self._table.execute("SELECT number FROM seen WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def close(self) -> None:
        """Give the space back."""
        self._table.close()
