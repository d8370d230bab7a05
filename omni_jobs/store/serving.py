"""What operators and the API need of the store: jobs deleted and counted, workers drained, the feed by pages."""

from __future__ import annotations

import json

from omni_jobs.errors import IllegalMove, NotFound
from omni_jobs.schemas import Status
from omni_jobs.store.reading import Reading
from omni_jobs.store.values import FeedEntry

#: Wishes taken at a time.
CHANGES_TAKEN = 100
#: A worker that has not heard by then is not alive.
DRAIN_TTL_MS = 60_000


class Serving(Reading):
    """Questions and requests from outside of the pool."""

    def delete(self, account: str, job_id: str) -> None:
        """Removes a finished job's record, events and idempotency key; deliveries that are due still go out.

        Raises:
            NotFound. IllegalMove: it has not ended, or a later version wrote it.
        """
        reply = self.scripts.run("delete", {"account": account, "id": job_id})
        match reply[0]:
            case b"missing":
                raise NotFound(f"There is no job {job_id} in account {account}.", field="job_id", value=job_id)
            case b"newer":
                raise IllegalMove(f"Job {job_id} was written by a later version.", remedy="Upgrade this process.")
            case b"busy":
                raise IllegalMove(f"Job {job_id} is {reply[1].decode()}; only a finished job can be deleted.")

    def ask_to_drain(self, worker_id: str) -> None:
        """Asks a live worker to hand back its jobs and end; it hears that with its next beat."""
        self._ask(("SET", self.keys("drain", worker_id), 1, "PX", DRAIN_TTL_MS))

    def is_asked_to_drain(self, worker_id: str) -> bool:
        """Whether somebody asked, once: a worker of the same name that starts later is not meant."""
        return bool(self._ask(("DEL", self.keys("drain", worker_id)))[0])

    def ask_for_change(self, worker_id: str, action: str, model: str) -> None:
        """Asks a live worker to load, unload or wake a model, or to put it to sleep; heard with its next beat."""
        key = self.keys("changes", worker_id)
        self._ask(("RPUSH", key, json.dumps([action, model])), ("PEXPIRE", key, DRAIN_TTL_MS))

    def take_changes(self, worker_id: str) -> list[tuple[str, str]]:
        """What was asked of this worker since it last took: actions and models, in order."""
        (texts,) = self._ask(("LPOP", self.keys("changes", worker_id), CHANGES_TAKEN))
        return [(action, model) for action, model in map(json.loads, texts or ())]

    def counts(self, account: str) -> dict[str, int]:
        """How many of the account's jobs that are kept stand at each status."""
        sizes = self._ask(*(("ZCARD", self.keys("status_jobs", account, status)) for status in Status))
        return {status.value: size for status, size in zip(Status, sizes, strict=True)}

    def feed_end(self, account: str) -> str:
        """The cursor after which the account's next event will come."""
        (entries,) = self._ask(("XREVRANGE", self.keys("feed", account), "+", "-", "COUNT", 1))
        return entries[0][0].decode() if entries else "0-0"

    def feed_has_gap(self, account: str, after_id: str) -> bool:
        """Whether events after that cursor may have been dropped already: its own entry is no longer kept."""
        if _place(after_id) == (0, 0):
            return False
        (entries,) = self._ask(("XRANGE", self.keys("feed", account), after_id, after_id, "COUNT", 1))
        return not entries

    def feed_page(self, account: str, after_id: str, limit: int = 100) -> tuple[list[FeedEntry], str]:
        """`feed`, and the cursor to go on from, which also passes entries of jobs that were deleted."""
        (raw,) = self._ask(("XRANGE", self.keys("feed", account), f"({after_id}", "+", "COUNT", limit))
        if not raw:
            return [], after_id
        entries = self.feed(account, after_id, limit)
        cursors = [raw[-1][0].decode(), *(entry.cursor for entry in entries[-1:])]
        return entries, max(cursors, key=_place)


def _place(cursor: str) -> tuple[int, int]:
    ms, _, count = cursor.partition("-")
    return int(ms), int(count or 0)
