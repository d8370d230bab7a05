"""A bucket as the place where a run writes. Not in `destination`: it needs more packages than a client has."""

from __future__ import annotations

from collections.abc import Iterator

from omni_jobs.errors import NotFound
from omni_jobs.object_links import open_objects
from omni_jobs.settings import Settings
from omni_jobs.uploads import storage_errors_translated


class Bucket:
    """A prefix of a bucket."""

    look_seconds = 5.0

    def __init__(self, out: str, settings: Settings) -> None:
        self._store = open_objects(settings.model_copy(update={"storage_url": out}))
        self.place = out.partition("?")[0]

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        with storage_errors_translated():
            self._store.put(key, content, content_type=content_type)

    def read(self, key: str) -> bytes:
        with storage_errors_translated():
            return self._store.get(key)

    def size(self, key: str) -> int | None:
        try:
            with storage_errors_translated():
                return self._store.head(key).size_bytes
        except NotFound:
            return None

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with storage_errors_translated():
            for one in self._store.list(prefix):
                yield one.key, one.size_bytes

    def delete(self, key: str) -> None:
        with storage_errors_translated():
            self._store.delete(key)

    def close(self) -> None:
        """Release connections."""
        self._store.close()
