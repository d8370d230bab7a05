"""A worker of the submit queue alone, as a process: `python -m tests.client.letter_slot REDIS_URL PREFIX`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from omni_jobs import queue
from omni_jobs.celery_tasks import make_app, register_submit, submit_queue
from omni_jobs.schemas import Job
from omni_jobs.settings import Settings
from omni_jobs.store import connect


def main(redis_url: str, key_prefix: str) -> None:
    """Consumes until it is terminated."""
    store = connect(Settings(redis_url=redis_url, key_prefix=key_prefix))

    def submit(job: Mapping[str, Any], account: str, job_id: str) -> Job:
        return queue.submit(store, job, account=account, job_id=job_id, max_queued=None)[0]

    app = make_app(redis_url, key_prefix)
    app.conf.task_queues = [submit_queue()]
    register_submit(app, submit)
    app.worker_main(["worker", "-P", "solo", "--without-gossip", "--without-mingle", "-l", "warning"])


if __name__ == "__main__":
    main(*sys.argv[1:])
