"""Opens Redis for the store and refuses servers on which jobs would not be safe."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import redis
import redis.exceptions
import structlog
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from omni_jobs.errors import Misconfigured
from omni_jobs.store import sentinel
from omni_jobs.store.scripts import translated

LOG = structlog.get_logger(__name__)
LEAST_VERSION = (6, 2)
#: Longest wait for one answer, for a connection, and for a free connection of the pool.
ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 2.0


def open_redis(url: str, *, max_connections: int = 64) -> redis.Redis:
    """A client that never waits for ever: time-outs, keep-alive, a few retries (every script may be repeated).

    Raises:
        Misconfigured: the URL is not one of redis-py's.
    """
    try:
        pool = _pool(url, max_connections)
    except ValueError as error:
        raise Misconfigured(
            f"The Redis URL has a problem: {error}.",
            field="redis_url",
            remedy="Use redis://[user:password@]host:port/db, rediss:// for TLS, unix:///path, or sentinel://.",
        ) from error
    return redis.Redis.from_pool(pool)


def _pool(url: str, max_connections: int) -> redis.BlockingConnectionPool:
    waits: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS}
    if not url.startswith("unix:"):
        waits |= {"socket_connect_timeout": CONNECT_SECONDS, "socket_keepalive": True}
    options = {
        "max_connections": max_connections,
        "timeout": ANSWER_SECONDS,
        **waits,
        "health_check_interval": 15,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
    }
    if urlsplit(url).scheme == sentinel.SCHEME:
        return redis.BlockingConnectionPool(**sentinel.pool_options(url, waits), **options)
    return redis.BlockingConnectionPool.from_url(url, **options)


def check_server(client: redis.Redis) -> None:
    """Asks the server whether it is fit.

    Raises:
        QueueUnavailable: it does not answer.
        Misconfigured: credentials, version, cluster mode or eviction policy.
    """
    with translated():
        client.ping()
        facts: dict[str, Any] = client.info()
    version = str(facts.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_VERSION:
        raise Misconfigured(
            f"Redis {version} is too old.", field="redis_url", remedy="Use Redis 6.2 or later, or Valkey."
        )
    if facts.get("redis_mode") == "cluster" or facts.get("cluster_enabled"):
        raise Misconfigured(
            "Redis Cluster is not supported: a job's keys must lie together.",
            field="redis_url",
            remedy="Use a single primary, with replicas if you like.",
        )
    _check_eviction(client, facts)


def host_of(url: str) -> str:
    """The address in a URL without credentials, for messages."""
    parts = urlsplit(url)
    if parts.scheme == sentinel.SCHEME:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{parts.scheme}://{parts.hostname or parts.path}" + (f":{parts.port}" if parts.port else "")


def _check_eviction(client: redis.Redis, facts: dict[str, Any]) -> None:
    try:
        with translated():
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except (redis.exceptions.ResponseError, Misconfigured):
        # Managed servers hide CONFIG; INFO often tells it all the same.
        policy = facts.get("maxmemory_policy")
    if policy is None:
        LOG.warning("eviction_policy_unknown", remedy="Make sure that maxmemory-policy is noeviction.")
    elif policy != "noeviction":
        raise Misconfigured(
            f"Redis has maxmemory-policy {policy}: under memory pressure it would delete jobs without an error.",
            field="redis_url",
            value=policy,
            remedy="Run CONFIG SET maxmemory-policy noeviction, and put it into the server's configuration.",
        )
