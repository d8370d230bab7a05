"""Processes are killed in the middle: every job still ends once, and innocents pay nothing."""

from __future__ import annotations

import os
import signal

from omni_jobs import queue
from omni_jobs.schemas import EventType, Status
from tests.e2e.deployment import Deployment

SLOW = "simulated?launch_ms=20"
STEPS = 60


def test_a_killed_worker_loses_nothing(deployment: Deployment) -> None:
    deployment.start_worker(SLOW)
    jobs = [deployment.submit(f"fox {n}", STEPS) for n in range(3)]
    for job in jobs:
        deployment.is_denoising(job)
    deployment.workers[0].kill()
    second = deployment.start_worker(SLOW)
    for job in deployment.finished(*jobs):
        deployment.check(job)
        assert (job.attempt, job.worker) == (2, second)


def test_a_killed_engine_process_loses_nothing(deployment: Deployment) -> None:
    name = deployment.start_worker(SLOW)
    job = deployment.submit("fox", STEPS)
    deployment.is_denoising(job)
    os.kill(deployment.engine_process(name), signal.SIGKILL)
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    assert ended.attempt == 2
    assert deployment.workers[0].poll() is None, "the consumer survives its engine"


def test_the_jobs_of_a_killed_replica_go_elsewhere_and_the_others_stay(deployment: Deployment) -> None:
    name = deployment.start_worker("simulated?launch_ms=40", devices="cpu,cpu")
    deployment.until(lambda: phases(deployment, name) == ["ready", "ready"])
    first, second = (deployment.submit(f"fox {n}", 20) for n in range(2))
    for job in (first, second):
        deployment.is_denoising(job)
    os.kill(deployment.engine_process(name), signal.SIGKILL)
    ended = deployment.finished(first, second)
    for job in ended:
        deployment.check(job)
    assert sorted(job.attempt for job in ended) == [1, 2]


def phases(deployment: Deployment, name: str) -> list[str]:
    """Of the model in each engine of a worker."""
    info = deployment.worker(name)
    return [engine["models"]["sim"] for engine in info.details["engines"]] if info else []


def test_a_frozen_worker_is_fenced_when_it_wakes(deployment: Deployment) -> None:
    deployment.start_worker(SLOW)
    job = deployment.submit("fox", STEPS)
    deployment.is_denoising(job)
    deployment.workers[0].send_signal(signal.SIGSTOP)
    second = deployment.start_worker(SLOW)
    (ended,) = deployment.finished(job)
    deployment.workers[0].send_signal(signal.SIGCONT)
    deployment.until(lambda: (info := deployment.worker("worker-0")) is not None and info.in_flight == 0)
    again = deployment.job(job)
    deployment.check(again)
    assert again == ended
    assert again.worker == second


def test_only_the_poison_job_fails(deployment: Deployment) -> None:
    deployment.start_worker("simulated?launch_ms=5&crash_on=poison")
    poison = deployment.submit("poison", 10)
    innocents = [deployment.submit(f"fox {n}", 10) for n in range(4)]
    (failed,) = deployment.finished(poison)
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.code == "poisoned"
    for job in deployment.finished(*innocents):
        deployment.check(job)


def test_a_drained_worker_hands_back_without_spending_an_attempt(deployment: Deployment) -> None:
    deployment.start_worker(SLOW)
    job = deployment.submit("fox", 200)
    deployment.is_denoising(job)
    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(30) == 0
    waiting = deployment.job(job)
    assert waiting.status is Status.QUEUED
    assert waiting.error is None
    deployment.start_worker("simulated?launch_ms=1")
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    types = [event.type for event in deployment.store.events(job.account, job.id)]
    assert types.count(EventType.STARTED) == 2


def test_a_canceled_job_frees_its_device_at_once(deployment: Deployment) -> None:
    name = deployment.start_worker(SLOW, slots=2, reserved_slots=0)
    long = [deployment.submit(f"long {n}", 200) for n in range(2)]
    for job in long:
        deployment.is_denoising(job)
        queue.cancel(deployment.store, job.account, job.id)
    (after,) = deployment.finished(deployment.submit("after", 2))
    deployment.check(after)
    for job in long:
        assert deployment.job(job).status is Status.CANCELED
        assert not deployment.job(job).artifacts
    deployment.until(lambda: (info := deployment.worker(name)) is not None and info.in_flight == 0)


def test_jobs_survive_a_restart_of_redis(deployment: Deployment) -> None:
    """And the worker goes on, with a free slot and a busy one: the fault of some Celery versions."""
    deployment.start_worker(SLOW)
    job = deployment.submit("fox", 150)
    deployment.is_denoising(job)
    deployment.restart_redis()
    later = deployment.submit("later", 2)
    for ended in deployment.finished(job, later):
        deployment.check(ended)
    assert deployment.workers[0].poll() is None
