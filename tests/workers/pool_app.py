"""A Celery application on our pool and our broker settings, with a task that only counts."""

from __future__ import annotations

import os

import redis

from omni_jobs.celery_tasks import make_app, queue_named
from tests.workers.pool_names import COUNTER, QUEUE

URL = os.environ["POOL_TEST_REDIS"]

app = make_app(URL, "omni")
app.conf.task_queues = [queue_named(QUEUE)]
server = redis.Redis.from_url(URL)


@app.task(name="pool.count")  # type: ignore[untyped-decorator]
def count() -> None:
    server.incr(COUNTER)
