"""Redis behind Sentinel: the address in a URL, and connections that ask the sentinels who is the primary now.

The store opens its pool with it; `celery_tasks.py` makes kombu's form of the same address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.exceptions
from redis.sentinel import Sentinel

SCHEME = "sentinel"
PORT = 26379
#: What may follow the `?`.
OPTIONS = ("db", "sentinel_password")


@dataclass(frozen=True)
class SentinelAddress:
    """Who to ask, for which primary, and the credentials of both."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


def read_address(url: str) -> SentinelAddress:
    """The parts of `sentinel://[user:password@]host[:port],host[:port]/SERVICE[?db=0&sentinel_password=...]`.

    Raises:
        ValueError: a part is missing, or not understood.
    """
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(parts.query))
    service = unquote(parts.path.strip("/"))
    if not hosts or not service:
        raise ValueError("a sentinel URL names hosts and a service: sentinel://host:26379,host:26379/mymaster")
    if unknown := options.keys() - set(OPTIONS):
        raise ValueError(f"a sentinel URL takes {' and '.join(OPTIONS)}, not {', '.join(sorted(unknown))}")
    return SentinelAddress(
        sentinels=tuple(_host(part) for part in hosts.split(",")),
        service=service,
        database=int(options.get("db", "0")),
        username=unquote(user) or None,
        password=unquote(password) or None,
        sentinel_password=options.get("sentinel_password"),
    )


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", str(PORT))
    return host, int(port)


class PrimaryConnection(redis.Connection):  # type: ignore[misc]
    """A connection that finds the primary anew whenever it is made, and breaks where it meets a demoted one."""

    def __init__(self, *, sentinel: Sentinel, service: str, **options: Any) -> None:
        self._sentinel = sentinel
        self._service = service
        super().__init__(**options)

    def _connect(self) -> Any:
        self.host, self.port = self._sentinel.discover_master(self._service)
        return super()._connect()

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)
        except redis.exceptions.ResponseError as error:
            if "READONLY" not in str(error) and not isinstance(error, redis.exceptions.ReadOnlyError):
                raise
            self.disconnect()
            raise redis.exceptions.ConnectionError("this server is no longer the primary") from error


def pool_options(url: str, timeouts: dict[str, Any]) -> dict[str, Any]:
    """What a connection pool needs to reach the primary. Raises ValueError."""
    address = read_address(url)
    asking = {**timeouts, "password": address.sentinel_password}
    return {
        "connection_class": PrimaryConnection,
        "sentinel": Sentinel(address.sentinels, sentinel_kwargs=asking),
        "service": address.service,
        "db": address.database,
        "username": address.username,
        "password": address.password,
    }
