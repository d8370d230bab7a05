"""Times on the command line, as types of options: spans like `90s`, `30m`, `2h`, `7d`, and moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d{1,5})([smhd])")


def span(text: str) -> timedelta:
    """A length of time. Raises a usage error."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no length of time; write 90s, 30m, 2h or 7d.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def when(text: str) -> datetime:
    """A moment, in UTC if it names no zone; a span means so long ago. Raises a usage error."""
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) - span(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; write 2026-01-31T12:00Z, or 2h for two hours ago."
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
