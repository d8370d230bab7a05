"""Loads the Lua scripts and runs them; redis errors become ours here and nowhere else in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import redis
import redis.exceptions

from omni_jobs.errors import Misconfigured, QueueUnavailable
from omni_jobs.names import KEY_PATTERNS

#: How servers word a lack of rights inside a script.
_REFUSALS = ("NOPERM", "can't access at least one of the keys", "can't run this command", "ACL failure in script")


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's errors into ours.

    Raises:
        QueueUnavailable: no answer, no memory, a replica, or still loading: the call may have been applied.
        Misconfigured: user or password refused, or a command or key not allowed to this user.
    """
    try:
        yield
    except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise _refused(error) from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        raise QueueUnavailable(f"Redis does not answer: {error}.", remedy="Try again.") from error
    except (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError) as error:
        raise QueueUnavailable(
            f"Redis takes no writes: {error}.", remedy="Give it more memory, or point to the primary."
        ) from error
    except redis.exceptions.ResponseError as error:
        text = str(error)
        if any(mark in text for mark in _REFUSALS):
            raise _refused(error) from error
        if "OOM" in text:
            raise QueueUnavailable(f"Redis takes no writes: {error}.", remedy="Give it more memory.") from error
        raise


def _refused(error: Exception) -> Misconfigured:
    return Misconfigured(
        f"Redis refuses us: {error}.",
        field="redis_url",
        remedy="Check user and password in OMNI_REDIS_URL; the user needs the keys and channels of the prefix.",
    )


@cache
def script_text(name: str) -> str:
    """One script with the shared parts before it."""
    folder = files("omni_jobs.store") / "lua"
    shared = sorted(part.name for part in folder.iterdir() if part.name.startswith("_"))
    rows = ", ".join(f"{row} = {json.dumps(pattern)}" for row, pattern in KEY_PATTERNS.items())
    parts = [(folder / part).read_text() for part in (*shared, f"{name}.lua")]
    return "\n".join((f"local PATTERNS = {{{rows}}}", *parts))


class Scripts:
    """Runs scripts by name on one server under one key prefix.

    `clock_ms` takes the place of the server's clock; only tests set it.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._registered: dict[str, Any] = {}
        self.clock_ms: int | None = None

    def run(self, name: str, arguments: Mapping[str, Any], *blobs: bytes) -> Any:
        """The reply of a script. Arguments that are None are left out."""
        script = self._registered.get(name)
        if script is None:
            script = self._registered[name] = self._client.register_script(script_text(name))
        given = {field: value for field, value in arguments.items() if value is not None}
        with translated():
            clock = "" if self.clock_ms is None else self.clock_ms
            return script(args=[self._prefix, clock, json.dumps(given), *blobs])
