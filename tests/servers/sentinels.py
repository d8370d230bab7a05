"""A real primary, a replica and three sentinels that watch them, on loopback."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis
import redis.exceptions

from omni_jobs.redis_server import RedisServer, find_binary, free_port, start_server

SERVICE, COUNT = "jobs", 3
#: When a server counts as down, and how long a fail-over may take, in milliseconds.
DOWN_MS, FAILOVER_MS = 1000, 4000
READY_SECONDS = 30.0


@dataclass
class Group:
    """Both servers and the URL that names them through their sentinels."""

    primary: RedisServer
    replica: RedisServer
    url: str
    sentinel: redis.Redis

    @property
    def primary_port(self) -> int:
        """Whom the sentinels name now."""
        found: tuple[str, int] = self.sentinel.sentinel_get_master_addr_by_name(SERVICE)
        return found[1]

    @contextmanager
    def restarted_primary(self) -> Iterator[redis.Redis]:
        """The server that was the primary, started again on its port and file."""
        port = port_of(self.primary)
        with (
            start_server(self.primary.folder, port=port),
            redis.Redis(port=port, decode_responses=True) as client,
        ):
            yield client


def port_of(server: RedisServer) -> int:
    return urlsplit(server.url).port or 0


@contextmanager
def watched_group(folder: Path) -> Iterator[Group]:
    """The group, once every sentinel knows the replica and the other sentinels."""
    with ExitStack() as stack:
        primary = stack.enter_context(start_server(folder / "primary"))
        replica = stack.enter_context(start_server(folder / "replica"))
        with redis.Redis.from_url(replica.url) as client:
            client.replicaof("127.0.0.1", port_of(primary))
        ports = [free_port() for _ in range(COUNT)]
        for port in ports:
            stack.enter_context(_sentinel(folder / f"sentinel-{port}", port, port_of(primary)))
        sentinels = [stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port in ports]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        for one in sentinels:
            _wait_until_it_knows_all(one)
        yield Group(primary, replica, f"sentinel://{hosts}/{SERVICE}", sentinels[0])


@contextmanager
def _sentinel(folder: Path, port: int, watched: int) -> Iterator[None]:
    folder.mkdir()
    config = folder / "sentinel.conf"
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f'dir "{folder}"',
        f"sentinel monitor {SERVICE} 127.0.0.1 {watched} 2",
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
        f"sentinel failover-timeout {SERVICE} {FAILOVER_MS}",
    ]
    config.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(find_binary()), str(config), "--sentinel"], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_it_knows_all(sentinel: redis.Redis) -> None:
    ends = time.monotonic() + READY_SECONDS
    while True:
        try:
            (state,) = sentinel.sentinel_masters().values()
            if (state["num-slaves"], state["num-other-sentinels"]) == (1, COUNT - 1):
                return
        except redis.exceptions.ConnectionError:
            pass  # it starts
        assert time.monotonic() < ends, "the sentinels do not find each other"
        time.sleep(0.05)
