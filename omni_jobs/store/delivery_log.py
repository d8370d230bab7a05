"""What became of an account's deliveries: looked at one by one or in pages, and sent again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, takewhile

from omni_jobs.errors import NotFound
from omni_jobs.schemas.deliveries import Attempt, DeliveryState, DeliveryView, without_query
from omni_jobs.store import paging
from omni_jobs.store.codec import Fields, delivery_of, fields_of, milliseconds, moment
from omni_jobs.store.core import StoreCore
from omni_jobs.store.values import Delivery

#: Entries looked at by one call with filters; its cursor then continues.
SCAN_LIMIT = 1000
CHUNK = 100
#: What the log shows; the rest of a delivery is what its body is made of.
SHOWN = ("id", "type", "job_id", "sequence", "url", "state", "created_ms", "at_ms", "tries", "error")
ENDED = (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant; None means any. Times are those of the events, `until` excluded."""

    state: DeliveryState | None = None
    url: str | None = None
    job_id: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def states(self) -> tuple[DeliveryState, ...]:
        return tuple(DeliveryState) if self.state is None else (self.state,)

    def fits(self, fields: Fields) -> bool:
        """Whether a delivery in one of the states and times is meant."""
        wanted = {"url": self.url, "job_id": self.job_id, "type": self.type}
        return all(value is None or fields[name] == value for name, value in wanted.items())


EVERY = DeliveryFilter()


class DeliveryLog(StoreCore):
    """The log and the replay of an account."""

    def deliveries(
        self, account: str, wanted: DeliveryFilter = EVERY, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[DeliveryView], str | None]:
        """Deliveries, newest event first, and a cursor if there are or may be more. Raises InvalidRequest."""
        found: list[DeliveryView] = []
        places = self._places(account, wanted, paging.parse_cursor(cursor))
        for scanned, (place, fields, tries) in enumerate(self._read(places), 1):
            if wanted.fits(fields):
                found.append(_view(fields, tries))
            if len(found) == limit or scanned == SCAN_LIMIT:
                return found, paging.cursor_of(place)
        return found, None

    def delivery(self, account: str, delivery_id: str) -> tuple[DeliveryView, Delivery]:
        """One, as the log shows it and as the courier has it. Raises NotFound."""
        flat, tries = self._ask(
            ("HGETALL", self.keys("delivery", delivery_id)),
            ("LRANGE", self.keys("delivery_tries", delivery_id), 0, -1),
        )
        fields = fields_of(flat)
        if fields.get("account") != account:
            raise NotFound(
                f"There is no delivery {delivery_id}.",
                field="delivery_id",
                value=delivery_id,
                remedy="Delivered ones are kept for 3 days, those given up for 30.",
            )
        return _view(fields, tries), delivery_of(fields)

    def replay(self, account: str, delivery_ids: Sequence[str]) -> list[str]:
        """Sends these again, each under its id, from the first try on; those that are sent.

        Left out is what is not there, is another's, or is with the courier now.
        """
        sent: list[str] = []
        for start in range(0, len(delivery_ids), CHUNK):
            ids = list(delivery_ids[start : start + CHUNK])
            sent += (
                one.decode() for one in self.scripts.run("replay_deliveries", {"account": account, "ids": ids})
            )
        return sent

    def replay_all(self, account: str, wanted: DeliveryFilter) -> list[str]:
        """Sends all again that fit; what ended while this runs may be missed."""
        read = self._read(self._places(account, wanted, None))
        return self.replay(account, [fields["id"] for _, fields, _ in read if wanted.fits(fields)])

    def _places(self, account: str, wanted: DeliveryFilter, before: paging.Place | None) -> Iterator[paging.Place]:
        """The deliveries that may fit, newest first, of all wanted states together."""
        since_ms, until_ms = self._times(account, wanted)
        if until_ms is not None:
            before = min(before or (until_ms, ""), (until_ms, ""))
        lists = (
            chain.from_iterable(paging.chunks(self.redis, self.keys("deliveries", account, state), before, CHUNK))
            for state in wanted.states
        )
        return takewhile(lambda place: place[0] >= since_ms, heapq.merge(*lists, reverse=True))

    def _times(self, account: str, wanted: DeliveryFilter) -> tuple[int, int | None]:
        """From when and until when the events happened. A job's happened while it lived."""
        since_ms, until_ms = milliseconds(wanted.since) or 0, milliseconds(wanted.until)
        if wanted.job_id is None:
            return since_ms, until_ms
        began, ended = self._ask(("HMGET", self.keys("job", account, wanted.job_id), "created_ms", "finished_ms"))[
            0
        ]
        last_ms = until_ms if ended is None else min(int(ended) + 1, until_ms or int(ended) + 1)
        return max(since_ms, int(began or 0)), last_ms

    def _read(self, places: Iterator[paging.Place]) -> Iterator[tuple[paging.Place, Fields, list[bytes]]]:
        """Each place with what the log shows of it and its tries, without those that are gone meanwhile."""
        while chunk := list(islice(places, CHUNK)):
            commands: list[tuple[str | int, ...]] = []
            for _, one in chunk:
                commands.append(("HMGET", self.keys("delivery", one), *SHOWN))
                commands.append(("LRANGE", self.keys("delivery_tries", one), 0, -1))
            replies = self._ask(*commands)
            for place, values, tries in zip(chunk, replies[::2], replies[1::2], strict=True):
                pairs = zip(SHOWN, values, strict=True)
                fields = {name: value.decode() for name, value in pairs if value is not None}
                if "id" in fields:
                    yield place, fields, tries


def _view(fields: Fields, tries: Sequence[bytes]) -> DeliveryView:
    state, at = DeliveryState(fields["state"]), moment(fields["at_ms"])
    is_waiting = state is DeliveryState.WAITING
    return DeliveryView(
        id=fields["id"],
        type=fields["type"],
        job_id=fields["job_id"] or None,
        sequence=int(fields["sequence"]),
        url=without_query(fields["url"]),
        state=state,
        created_at=moment(fields["created_ms"]),
        tries=int(fields["tries"]),
        attempts=tuple(map(Attempt.model_validate_json, tries)),
        next_attempt_at=at if is_waiting else None,
        ended_at=None if is_waiting else at,
        error=fields.get("error"),
    )
