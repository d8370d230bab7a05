"""The primary dies and a replica takes over: clients, workers and doorbells find it, and jobs end."""

from __future__ import annotations

from pathlib import Path

import pytest

from omni_jobs.errors import QueueUnavailable
from omni_jobs.schemas import Job
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.e2e.deployment import Deployment, deployed
from tests.servers.sentinels import port_of, watched_group


@pytest.mark.slow
def test_jobs_outlive_the_primary(tmp_path: Path) -> None:
    with watched_group(tmp_path) as group, deployed(tmp_path / "pool", redis_url=group.url) as deployment:
        deployment.store.close()
        deployment.store = connect(Settings(redis_url=group.url))
        deployment.start_worker("simulated?launch_ms=20", checkpoint_seconds=0)
        running = [deployment.submit(f"fox {n}", 200) for n in range(2)]
        waiting = deployment.submit("held", 2, not_before=deployment.moment(3))
        for job in running:
            deployment.is_denoising(job)
        assert deployment.store.redis.wait(1, 5000) == 1, (
            "replication is asynchronous: what it had not got is lost"
        )
        group.primary.process.kill()
        deployment.until(lambda: group.primary_port == port_of(group.replica))
        later = submitted(deployment)
        for ended in deployment.finished(*running, waiting, later):
            deployment.check(ended)
        assert deployment.workers[0].poll() is None
        with group.restarted_primary() as old:
            deployment.until(lambda: old.info("replication")["role"] == "slave")
            deployment.check(*deployment.finished(deployment.submit("last", 2)))


def submitted(deployment: Deployment) -> Job:
    """As a producer does who tries again while the queue is away."""
    made: list[Job] = []

    def submit() -> bool:
        try:
            made.append(deployment.submit("after", 2))
        except QueueUnavailable:
            return False
        return True

    deployment.until(submit)
    return made[0]
