"""Pages of an index by time, newest first, and the cursors between them. Used by the listings."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import redis

from omni_jobs.errors import InvalidRequest
from omni_jobs.store.scripts import translated

#: A member of an index: its time in milliseconds, its id.
Place = tuple[int, str]


def chunks(client: redis.Redis, key: str, before: Place | None, size: int) -> Iterator[list[Place]]:
    """Chunks of a sorted set, newest first, below a place; equal times are ordered by id."""
    highest, offset = ("+inf" if before is None else before[0]), 0
    while True:
        with translated():
            found = client.zrevrangebyscore(key, highest, "-inf", offset, size, withscores=True)
        places = [(int(score), member.decode()) for member, score in found]
        chunk = [place for place in places if before is None or place < before]
        if chunk:
            yield chunk
        if len(places) < size:
            return
        offset += size


def cursor_of(place: Place) -> str:
    """The cursor of the page that follows a place."""
    return base64.urlsafe_b64encode(f"{place[0]} {place[1]}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> Place | None:
    """The place in a cursor. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        created_ms, _, member = text.partition(" ")
        return int(created_ms), member
    except ValueError as error:
        raise InvalidRequest(
            f"`cursor`: {cursor!r} is not one of ours.",
            field="cursor",
            value=cursor,
            remedy="Pass what the page before gave, or leave it out.",
        ) from error
