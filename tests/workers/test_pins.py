"""Why celery and kombu are pinned: what the pinned pair does right and its neighbours do not.

See `docs/decisions.md`; run these before any change of version.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from omni_jobs.celery_tasks import make_app, queue_named
from omni_jobs.redis_server import RedisServer, start_server
from tests.workers.pool_names import COUNTER, QUEUE

#: kombu before 5.7 waits about 1.09 s before it refills a full pool: these tasks would take 65 s.
TASKS = 60
PATIENCE_SECONDS = 40.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with start_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def worker(server: RedisServer) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker with one thread of our pool."""
    pool = {"CELERY_CUSTOM_WORKER_POOL": "workers.pool:TaskPool", "POOL_TEST_REDIS": server.url}
    command = "-m celery -A tests.workers.pool_app -q worker -P custom -c 1 --without-gossip --without-mingle"
    with subprocess.Popen([sys.executable, *command.split()], env={**os.environ, **pool}) as process:
        yield process
        process.terminate()
        assert process.wait(30) == 0


def ring(server: RedisServer, count: int) -> None:
    app = make_app(server.url, "omni")
    for _ in range(count):
        app.send_task("pool.count", queue=queue_named(QUEUE))
    app.close()


def counted(server: RedisServer, count: int) -> bool:
    """Wait until so many tasks have run."""
    ends = time.monotonic() + PATIENCE_SECONDS
    with redis.Redis.from_url(server.url, retry=None) as client:
        while int(client.get(COUNTER) or 0) < count:
            if time.monotonic() > ends:
                return False
            time.sleep(0.05)
    return True


def test_the_pins_are_installed() -> None:
    assert (version("celery"), version("kombu")) == ("5.6.3", "5.7.0")


def test_a_full_pool_is_refilled_at_once(server: RedisServer, worker: subprocess.Popen[bytes]) -> None:
    ring(server, TASKS)
    assert counted(server, TASKS), "kombu before 5.7.0 leaves a second between two tasks of a full pool"
    assert worker.poll() is None


def test_a_worker_with_a_free_slot_survives_a_restart_of_redis(
    server: RedisServer, worker: subprocess.Popen[bytes]
) -> None:
    ring(server, 1)
    assert counted(server, 1)
    port = urlsplit(server.url).port
    server.process.kill()
    server.process.wait()
    server.process = start_server(server.folder, port=port).process
    ring(server, 5)
    assert counted(server, 6)
    assert worker.poll() is None, "celery 5.7.0 exits here"
