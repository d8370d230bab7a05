"""Celery's way to Redis, with one difference: a refused command is a broken connection, not the end of the worker.

While Redis is full, read-only or cannot write its file, Celery's consumer would end itself on the next
acknowledgement, and every model would be loaded anew. So it reconnects until commands are taken again.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis.exceptions import ResponseError


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """As kombu's; `ResponseError` covers out of memory, read-only and a failed append-only file."""

    connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)


class SentinelTransport(kombu_redis.SentinelTransport):  # type: ignore[misc]
    """The same through sentinels."""

    connection_errors = (*kombu_redis.SentinelTransport.connection_errors, ResponseError)


def use_patient_transport() -> None:
    """From now on every Celery application of this process reaches Redis in this way."""
    kinds = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    TRANSPORT_ALIASES.update({scheme: f"{__name__}:{kind.__qualname__}" for scheme, kind in kinds.items()})
