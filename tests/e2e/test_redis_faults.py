"""Redis is full, frozen or wiped: what was accepted is kept, workers live on, everybody is told what is wrong."""

from __future__ import annotations

import signal
import time

import pytest

from omni_jobs.errors import QueueUnavailable, UnknownModel
from omni_jobs.schemas import JobFilter, Status
from tests.e2e.deployment import LEASE_SECONDS, Deployment

SLOW = "simulated?launch_ms=20"


def test_a_full_redis_refuses_submits_and_loses_nothing(deployment: Deployment) -> None:
    name = deployment.start_worker(SLOW)
    job = deployment.submit("fox", 100)
    deployment.is_denoising(job)
    # A doorbell that the worker takes from a full server: it cannot note that it took it.
    deployment.workers[0].send_signal(signal.SIGSTOP)
    second = deployment.submit("hare", 5)
    redis = deployment.store.redis
    redis.config_set("maxmemory", 1)
    deployment.workers[0].send_signal(signal.SIGCONT)
    with pytest.raises(QueueUnavailable, match="takes no writes"):
        deployment.submit("too much")
    deployment.until(lambda: "Connection to broker lost" in deployment.log(name))
    redis.config_set("maxmemory", 0)
    for ended in deployment.finished(job, second, deployment.submit("later", 2)):
        deployment.check(ended)
    assert deployment.workers[0].poll() is None
    assert not deployment.store.list("default", JobFilter(status=Status.QUEUED))[0]


@pytest.mark.slow
def test_a_frozen_redis_causes_no_takeovers(deployment: Deployment) -> None:
    deployment.start_worker(SLOW)
    deployment.start_worker(SLOW)
    jobs = [deployment.submit(f"fox {n}", 150) for n in range(6)]
    for job in jobs:
        deployment.is_denoising(job)
    server = deployment.server.process
    server.send_signal(signal.SIGSTOP)
    time.sleep(1.5 * LEASE_SECONDS)  # the fault itself: longer than any lease
    server.send_signal(signal.SIGCONT)
    for ended in deployment.finished(*jobs):
        deployment.check(ended)
        assert ended.attempt == 1, "the owners lived: nobody else may have begun"


def test_a_wiped_redis_is_told_and_served_again(deployment: Deployment) -> None:
    name = deployment.start_worker(SLOW)
    job = deployment.submit("fox", 200)
    deployment.is_denoising(job)
    deployment.store.redis.flushall()
    with pytest.raises(UnknownModel, match="no worker knows"):
        deployment.submit("fox")
    deployment.until(lambda: "job is no longer ours" in deployment.log(name))
    deployment.until(lambda: any(card.name == "sim" for card in deployment.store.cards()))
    assert "Redis has lost what was in it" in deployment.log(name)
    (ended,) = deployment.finished(deployment.submit("again", 2))
    deployment.check(ended)
    assert deployment.workers[0].poll() is None
