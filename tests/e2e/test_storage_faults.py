"""Storage goes away: no attempt or slot is spent, what was rendered is stored afterwards, within a budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs import queue
from omni_jobs.api.readiness import model_states
from omni_jobs.metrics import render, worker_samples
from omni_jobs.schemas import Job, Phase, Status
from tests.chaos.proxy import Loop, Mode, Proxy
from tests.e2e.deployment import Deployment, deployed
from tests.servers.moto import moto
from workers.uploads import HELD_UP

#: What one picture of the simulated model holds in the spool.
OUTPUT_BYTES = 64 * 64 * 3


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[tuple[Deployment, Proxy]]:
    """A deployment that reaches its bucket through a proxy."""
    with moto() as s3:
        s3.make_bucket("outputs")
        loop = Loop()
        proxy = Proxy(loop, "storage", ("127.0.0.1", int(s3.endpoint.rpartition(":")[2])))
        url = f"s3://outputs?endpoint=http://127.0.0.1:{proxy.port}&max_attempts=1"
        keys = {"storage_access_key": s3.access_key_id, "storage_secret_key": s3.secret_access_key}
        try:
            with deployed(tmp_path, storage_url=url, **keys) as deployment:
                yield deployment, proxy
        finally:
            proxy.close()
            loop.close()


def test_an_outage_of_storage_costs_no_attempt_and_no_slot(outage: tuple[Deployment, Proxy]) -> None:
    """More jobs than slots are rendered; they wait on disk, and every slot is free."""
    deployment, proxy = outage
    name = deployment.start_worker(slots=4, reserved_slots=0, upload_threads=2)
    cut(proxy)
    jobs = [deployment.submit(f"fox {n}", 2) for n in range(6)]
    for job in jobs:
        deployment.reaches(job, is_uploading)
    deployment.until(lambda: waits(deployment, name) == (6, 0))
    deployment.until(lambda: deployment.log(name).count("trying again") >= 4)
    told = next(line for line in deployment.log(name).splitlines() if "trying again" in line)
    assert any(job.id in told for job in jobs)
    proxy.set(Mode.PASS)
    for ended in deployment.finished(*jobs):
        deployment.check(ended)
        assert ended.attempt == 1
    deployment.until(lambda: waits(deployment, name) == (0, 0))
    assert not list(deployment.folder.glob("spool/*/*.raw"))


def test_claims_stop_when_the_spool_is_used_up_and_go_on_when_storage_is_back(
    outage: tuple[Deployment, Proxy],
) -> None:
    deployment, proxy = outage
    budget_bytes = 2 * OUTPUT_BYTES + 1
    name = deployment.start_worker(slots=2, reserved_slots=0, upload_spool_bytes=budget_bytes)
    cut(proxy)
    first = [deployment.submit(f"fox {n}", 2) for n in range(3)]
    for job in first:
        deployment.reaches(job, is_uploading)
    deployment.until(lambda: (info := deployment.worker(name)) is not None and info.held_up is not None)
    later = [deployment.submit(f"owl {n}", 2) for n in range(3)]
    waiting = deployment.store.waiting(later[0].account, later[0].id)
    assert waiting is not None
    assert waiting.reason == f"every worker claims nothing: {HELD_UP}"
    assert model_states(deployment.store.workers(), ["sim"]) == {"sim": "waits for storage"}
    text = render(worker_samples(deployment.store.workers()))
    assert f'omni_worker_held_up{{worker="{name}"}} 1' in text
    assert f'omni_worker_upload_bytes{{worker="{name}"}} {3 * OUTPUT_BYTES}' in text
    assert "nothing more is claimed" in deployment.log(name)
    assert {deployment.job(job).status for job in later} == {Status.QUEUED}
    proxy.set(Mode.PASS)
    for ended in deployment.finished(*first, *later):
        deployment.check(ended)
        assert ended.attempt == 1
    assert "claiming again" in deployment.log(name)


def test_a_job_that_is_canceled_in_an_outage_gives_its_room_back(outage: tuple[Deployment, Proxy]) -> None:
    deployment, proxy = outage
    name = deployment.start_worker(upload_threads=1, upload_spool_bytes=OUTPUT_BYTES)
    cut(proxy)
    jobs = []
    for prompt in ("fox", "owl"):
        jobs.append(deployment.submit(prompt, 2))
        deployment.reaches(jobs[-1], is_uploading)
    deployment.until(lambda: (info := deployment.worker(name)) is not None and info.held_up is not None)
    for job in jobs:
        queue.cancel(deployment.store, job.account, job.id)
    third = deployment.submit("elk", 2)
    deployment.reaches(third, is_uploading)
    proxy.set(Mode.PASS)
    deployment.check(*deployment.finished(third))


def test_a_drain_in_an_outage_hands_back_what_was_rendered(outage: tuple[Deployment, Proxy]) -> None:
    """Storage swallows what is sent: even a thread that is stuck in it holds nothing up."""
    deployment, proxy = outage
    deployment.start_worker(upload_threads=1, grace_seconds=3)
    proxy.set(Mode.HOLE)
    jobs = [deployment.submit(f"fox {n}", 2) for n in range(3)]
    for job in jobs:
        deployment.reaches(job, is_uploading)
    deployment.workers[0].terminate()
    for job in jobs:
        back = deployment.reaches(job, lambda now: now.status is Status.QUEUED)
        assert deployment.store.events(job.account, job.id)[-1].data["reason"] == "worker is draining"
    proxy.set(Mode.PASS)
    deployment.start_worker()
    for ended in deployment.finished(*jobs):
        deployment.check(ended)
        assert ended.attempt == back.attempt + 1


def cut(proxy: Proxy) -> None:
    proxy.set(Mode.REFUSE)
    proxy.reset()


def is_uploading(job: Job) -> bool:
    return job.progress is not None and job.progress.phase is Phase.UPLOAD


def waits(deployment: Deployment, name: str) -> tuple[int, int] | None:
    """Rendered jobs that wait for storage in a worker, and slots that are taken."""
    info = deployment.worker(name)
    return None if info is None else (info.details["uploads"], info.in_flight)
