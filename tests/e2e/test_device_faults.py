"""The device of a worker fails: jobs go elsewhere, a bad job harms itself, a bad device takes no further job."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pytest

from omni_jobs import queue
from omni_jobs.schemas import Job, Status
from tests.e2e.deployment import Deployment
from workers.engine_process.respawning import OUT_OF_SERVICE

#: Longest time for one call of the simulated device.
BUDGET_SECONDS = 2


def test_a_bad_device_is_taken_out_of_service_and_its_jobs_run_elsewhere(deployment: Deployment) -> None:
    """Every job loses the device: no single one of them can be to blame."""
    bad = deployment.start_worker("simulated?launch_ms=1&lose_on=fox")
    jobs = [deployment.submit(f"fox {n}", 4) for n in range(3)]
    deployment.until(lambda: (info := deployment.worker(bad)) is not None and info.models["sim"] == "failed")
    info = deployment.worker(bad)
    assert info is not None
    assert info.details["errors"] == {"sim": OUT_OF_SERVICE}
    assert OUT_OF_SERVICE in deployment.log(bad)
    deployment.start_worker()
    for job in deployment.finished(*jobs):
        deployment.check(job)
        assert job.worker != bad


def test_a_job_that_loses_the_device_harms_only_itself(deployment: Deployment) -> None:
    name = deployment.start_worker("simulated?launch_ms=5&lose_on=poison")
    poison = deployment.submit("poison", 10)
    innocents = [deployment.submit(f"fox {n}", 10) for n in range(4)]
    (failed,) = deployment.finished(poison)
    assert failed.error is not None
    assert failed.error.code == "poisoned"
    for job in deployment.finished(*innocents, deployment.submit("later", 2)):
        deployment.check(job)
    info = deployment.worker(name)
    assert info is not None
    assert info.models["sim"] == "ready"


def test_a_poison_job_is_found_by_halves_and_costs_nobody_else_an_attempt(deployment: Deployment) -> None:
    name = deployment.start_worker(
        "simulated?launch_ms=20&crash_on=poison", slots=9, checkpoint_seconds=0, reconcile_seconds=0.2
    )
    innocents = [deployment.submit(f"fox {n}", 60) for n in range(7)]
    for job in innocents:
        deployment.is_denoising(job)
    poison = deployment.submit("poison", 10)
    (failed,) = deployment.finished(poison)
    assert failed.error is not None
    assert failed.error.code == "poisoned"
    assert "was killed by SIGKILL in denoise, after step 1 of 10." in failed.error.message
    for job in deployment.finished(*innocents):
        deployment.check(job)
        assert "engine process died" not in reasons(deployment, job), "a crash in company costs no attempt"
    assert reasons(deployment, poison).count("engine process died in company") <= 3
    restarts = deployment.worker(name)
    assert restarts is not None
    assert restarts.details["engine_restarts"] <= math.log2(8) + 2
    assert "suspects run in company" in deployment.log(name)


def reasons(deployment: Deployment, job: Job) -> list[str]:
    return [event.data.get("reason", "") for event in deployment.store.events(job.account, job.id)]


def test_a_hung_call_is_ended_by_the_watchdog(deployment: Deployment, tmp_path: Path) -> None:
    name = deployment.start_worker("simulated?hang_on=hang", config=budgeted(tmp_path))
    hanging, _ = queue.submit(deployment.store, {"model": "sim", "prompt": "hang"}, max_attempts=2)
    before = deployment.engine_process(name)
    (failed,) = deployment.finished(hanging)
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.code == "poisoned"
    assert "engine process hangs; killing it" in deployment.log(name)
    (after,) = deployment.finished(deployment.submit("after", 2))
    deployment.check(after)
    assert deployment.engine_process(name) != before


@pytest.mark.slow
def test_a_frozen_engine_process_is_ended_by_the_watchdog(deployment: Deployment, tmp_path: Path) -> None:
    name = deployment.start_worker("simulated?launch_ms=20", config=budgeted(tmp_path))
    job = deployment.submit("fox", 60)
    deployment.is_denoising(job)
    os.kill(deployment.engine_process(name), signal.SIGSTOP)
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    assert ended.attempt == 2


@pytest.mark.slow
def test_a_worker_that_was_stopped_does_not_blame_its_engine_process(
    deployment: Deployment, tmp_path: Path
) -> None:
    """What the engine process said meanwhile is unread, which is not its fault."""
    name = deployment.start_worker("simulated?launch_ms=20", config=budgeted(tmp_path))
    before = deployment.engine_process(name)
    job = deployment.submit("fox", 40)
    deployment.is_denoising(job)
    deployment.workers[0].send_signal(signal.SIGSTOP)
    time.sleep(2 * BUDGET_SECONDS)  # the fault itself: longer than any call may take
    deployment.workers[0].send_signal(signal.SIGCONT)
    for ended in deployment.finished(job, deployment.submit("after", 2)):
        deployment.check(ended)
    assert deployment.engine_process(name) == before
    assert "hangs" not in deployment.log(name)


def budgeted(folder: Path) -> Path:
    config = folder / "omni.toml"
    config.write_text(f'[models.sim]\nsource = "simulated"\ncall_budget_seconds = {BUDGET_SECONDS}\n')
    return config
