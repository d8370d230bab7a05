"""What an operator steers and looks back on: whether new jobs are taken, and how jobs ended lately."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime

from omni_jobs.schemas import EventType
from omni_jobs.store.codec import moment
from omni_jobs.store.core import StoreCore


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that ended: when, how, and the error's code if it failed."""

    at: datetime
    type: EventType
    code: str | None


class Operating(StoreCore):
    """Intake of the whole pool, and the recent past of one account."""

    def pause_intake(self) -> None:
        """No new job is taken until `resume_intake`; those that are queued or run go on."""
        self._ask(("SET", self.keys("paused"), round(time.time() * 1000)))

    def resume_intake(self) -> None:
        """Jobs are taken again."""
        self._ask(("DEL", self.keys("paused")))

    def paused_since(self) -> datetime | None:
        """When intake was paused; None while jobs are taken."""
        (since,) = self._ask(("GET", self.keys("paused")))
        return None if since is None else moment(since)

    def ended_lately(self, account: str, seconds: float, limit: int = 2000) -> tuple[list[Ended], datetime]:
        """Jobs that ended within so many seconds, newest first, and since when these are all there were.

        At most `limit` events of the account are looked at, so that a busy pool answers for a shorter time.
        """
        since_ms = round((time.time() - seconds) * 1000)
        feed = self.keys("feed", account)
        (entries,) = self._ask(("XREVRANGE", feed, "+", since_ms, "COUNT", limit))
        places = [(fields[b"j"].decode(), int(fields[b"s"])) for _, fields in entries]
        lines = self._ask(*(("LINDEX", self.keys("events", account, job), n - 1) for job, n in places))
        oldest_ms = int(entries[-1][0].partition(b"-")[0]) if len(entries) == limit else since_ms
        found = [_ended(line) for line in lines if line is not None]
        return [one for one in found if one is not None], moment(oldest_ms)


def _ended(line: bytes) -> Ended | None:
    at_ms, name, data = line.decode().split(" ", 2)
    kind = EventType(name)
    return Ended(moment(at_ms), kind, json.loads(data).get("code")) if kind.is_terminal else None
