"""Fixtures that every suite shares: a real server with an append-only file, and a key prefix per test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs.redis_server import RedisServer, start_server
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from tests.servers.redis_binaries import Binary, binaries

#: How many threads share a sum decides how it is rounded: what is compared to the byte, in processes that tests
#: start, needs the same number everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The server that `omni-jobs up` would start on this machine."""
    with start_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session", params=binaries(), ids=lambda binary: binary.name)
def any_redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """One server of each kind that is present."""
    binary: Binary = request.param
    with start_server(tmp_path_factory.mktemp(binary.name), binary=binary.path) as server:
        yield server


@pytest.fixture
def key_prefix() -> str:
    """A fresh prefix, so that tests share a server and nothing else."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def settings(redis_server: RedisServer, key_prefix: str) -> Settings:
    """Settings of one deployment on the session's server."""
    return Settings(redis_url=redis_server.url, key_prefix=key_prefix)


@pytest.fixture
def store(settings: Settings) -> Iterator[JobStore]:
    """An empty store."""
    opened = connect(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the demo model's classes with random weights, for tests of anything but what is drawn."""
    from workers.shapes.probe import pipeline_of
    from workers.shapes.trainee import Trainee

    folder = tmp_path_factory.mktemp("untrained")
    pipeline_of(Trainee(seed=0).eval()).save_pretrained(folder)
    return folder
