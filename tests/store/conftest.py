"""Helpers of the store's suite: a store on each kind of server, a clock in the test's hand, jobs in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Job, JobRequest
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect

START_MS = 1_800_000_000_000

Create = Callable[..., Job]


@pytest.fixture
def any_store(any_redis_server: RedisServer, key_prefix: str) -> Iterator[JobStore]:
    """An empty store on each kind of server, its clock stopped at `START_MS`."""
    store = connect(Settings(redis_url=any_redis_server.url, key_prefix=key_prefix))
    store.scripts.clock_ms = START_MS
    yield store
    store.close()


@pytest.fixture
def stopped(store: JobStore) -> JobStore:
    """The session's store with its clock stopped at `START_MS`."""
    store.scripts.clock_ms = START_MS
    return store


def create(
    store: JobStore, *, account: str = "default", cost_seconds: float = 1.0, shape: str = "", **fields: Any
) -> Job:
    """A new job; `fields` are those of a request, and `max_attempts`."""
    max_attempts = fields.pop("max_attempts", 5)
    request = JobRequest.model_validate({"model": "tiny", "prompt": "a hill"} | fields)
    return store.create(
        request,
        account=account,
        seed=1,
        fingerprint="f",
        shape=shape,
        cost_seconds=cost_seconds,
        max_attempts=max_attempts,
    )[0]


def pass_time(store: JobStore, seconds: float) -> None:
    """Moves a stopped clock on."""
    assert store.scripts.clock_ms is not None
    store.scripts.clock_ms += round(seconds * 1000)
