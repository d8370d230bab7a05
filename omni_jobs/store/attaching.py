"""Which running job an automatic retry of the same request belongs to, so that nobody pays twice.

A client's n-th try leaves its job under level n; try n+1 takes one from level n. So of several equal requests each
is found once by its own retry. Called by the faces whose clients retry without an idempotency key.
"""

from __future__ import annotations

from omni_jobs.store.core import StoreCore

#: Clients give up a request after ten minutes and come again at once.
MEMORY_SECONDS = 1800


class Attaching(StoreCore):
    """Lists of job ids by account and by digest of the request. A lost entry costs one job drawn again."""

    def offer_retry(self, account: str, digest: str, level: int, job_id: str) -> None:
        """Remembers the job of a client's try number `level`."""
        key = self.keys("retries", account, f"{digest}.{level}")
        self._ask(("RPUSH", key, job_id), ("EXPIRE", key, MEMORY_SECONDS))

    def take_retry(self, account: str, digest: str, level: int) -> str | None:
        """The oldest job that try number `level` left and nobody took."""
        (found,) = self._ask(("LPOP", self.keys("retries", account, f"{digest}.{level}")))
        return None if found is None else str(found.decode())

    def forget_retry(self, account: str, digest: str, level: int, job_id: str) -> None:
        """The answer arrived: there will be no retry."""
        self._ask(("LREM", self.keys("retries", account, f"{digest}.{level}"), 1, job_id))
