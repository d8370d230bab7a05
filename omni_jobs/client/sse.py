"""Server-sent events as they come off the wire (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple


class Message(NamedTuple):
    """One event of a stream."""

    event: str
    data: str
    id: str | None


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[Message]:
    """The events in a stream's lines; comments and an event that was cut off are left out."""
    event, data, event_id = "message", list[str](), None
    async for line in lines:
        if not line:
            if data:
                yield Message(event, "\n".join(data), event_id)
            event, data, event_id = "message", [], None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                event = value
            case "data":
                data.append(value)
            case "id":
                event_id = value
