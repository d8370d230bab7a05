"""The text of server-sent events. Pure."""

from __future__ import annotations

import json
from typing import Any

#: What a client waits before it comes again, in milliseconds.
RETRY_MS = 2000
OPENING = f"retry: {RETRY_MS}\n\n"
KEEP_ALIVE = ": keep-alive\n\n"


def message(event: str, data: Any, event_id: str | int | None = None) -> str:
    """One event. Only durable events have an id: it is what a client that was cut off resumes after."""
    lines = [] if event_id is None else [f"id: {event_id}"]
    lines += [f"event: {event}", f"data: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}"]
    return "\n".join(lines) + "\n\n"


def data(value: Any) -> str:
    """One event without a name, as clients expect it whose streams have a single kind."""
    return f"data: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}\n\n"
