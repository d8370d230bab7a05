"""Jobs go on from their checkpoints when a process dies or drains, through real workers, Redis and storage."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from omni_jobs import queue
from omni_jobs.metrics import render, worker_samples
from omni_jobs.names import checkpoint_prefix
from omni_jobs.schemas import EventType, Job, Phase, Status
from tests.e2e.deployment import Deployment, deployed
from tests.servers.swift import swift

#: The first worker is slow enough to be stopped in the middle, the second one quick.
SLOW, QUICK = "simulated?launch_ms=60", "simulated?launch_ms=1"
STEPS = 80
#: Device time in seconds between checkpoints.
OFTEN = 0.2
#: Equal pictures are equal files.
PLAIN = {"embed_metadata": False}


def keys(deployment: Deployment, job: Job) -> list[str]:
    """The objects of its checkpoints."""
    return [found.key for found in deployment.objects.list(checkpoint_prefix(job.account, job.id))]


def pointer(deployment: Deployment, job: Job) -> str | None:
    """What its record says of them."""
    store = deployment.store
    found = store.redis.hget(store.keys("job", job.account, job.id), "checkpoint")
    return None if found is None else found.decode()


def resumed(deployment: Deployment, job: Job) -> list[dict[str, Any]]:
    """What its events say of where it went on."""
    events = deployment.store.events(job.account, job.id)
    return [event.data for event in events if event.type is EventType.RESUMED]


def put(deployment: Deployment, key: str, content: bytes) -> None:
    deployment.objects.put(key, content, content_type="application/octet-stream")


def is_handed_back(deployment: Deployment, job: Job) -> None:
    """It waits, and no attempt has been spent on it."""
    waiting, store = deployment.job(job), deployment.store
    assert (waiting.status, waiting.error) == (Status.QUEUED, None)
    assert store.redis.hget(store.keys("job", job.account, job.id), "spent") == b"0"


def digests(job: Job) -> list[str]:
    return [artifact.sha256 for artifact in job.artifacts]


def is_saved(deployment: Deployment, job: Job) -> None:
    deployment.until(lambda: pointer(deployment, job))


def has_gone_on(deployment: Deployment, job: Job, steps: int = STEPS) -> None:
    """The job ended well, having gone on from a checkpoint and made only the steps that were left."""
    deployment.check(job)
    (facts,) = resumed(deployment, job)
    assert facts == {"attempt": 2, "output": 0, "step": facts["step"]}
    assert 0 < facts["step"] < steps
    assert job.sharing is not None
    assert job.sharing.calls == steps - facts["step"]
    deployment.until(lambda: not keys(deployment, job))


def test_after_a_killed_worker(deployment: Deployment) -> None:
    deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
    job = deployment.submit("fox", STEPS, seed=5, num_outputs=2, output=PLAIN)
    deployment.until(lambda: {'"0"', '"1"'} <= set(re.findall(r'"\d"', str(pointer(deployment, job)))))
    deployment.workers[0].kill()
    deployment.start_worker(QUICK, checkpoint_seconds=OFTEN)
    undisturbed = deployment.submit("fox", 2, seed=5, num_outputs=2, output=PLAIN)
    ended, expected = deployment.finished(job, undisturbed)
    deployment.check(ended)
    facts = resumed(deployment, ended)
    assert sorted(one["output"] for one in facts) == [0, 1]
    assert ended.sharing is not None
    assert ended.sharing.calls == 2 * STEPS - sum(one["step"] for one in facts)
    assert digests(ended) == digests(expected)
    assert not resumed(deployment, expected)
    deployment.until(lambda: not keys(deployment, job))


def test_the_demo_model_draws_and_edits_the_same_picture_to_the_byte(deployment: Deployment) -> None:
    pytest.importorskip("torch")
    steps, exact = 50, {"seed": 7, "deterministic": True, "output": PLAIN}
    deployment.start_worker("shapes", checkpoint_seconds=OFTEN)
    (before,) = deployment.finished(deployment.submit("a red circle on white"))
    edit = {"task": "edit", "images": [before.artifacts[0].id], **exact}
    asked = [("a red circle on white", exact), ("make it blue", edit)]
    jobs = [deployment.submit(prompt, steps, **fields) for prompt, fields in asked]
    for job in jobs:
        is_saved(deployment, job)
    deployment.workers[0].kill()
    deployment.start_worker("shapes", checkpoint_seconds=0)
    undisturbed = [deployment.submit(prompt, steps, **fields) for prompt, fields in asked]
    for ended, expected in zip(deployment.finished(*jobs), deployment.finished(*undisturbed), strict=True):
        has_gone_on(deployment, ended, steps)
        assert not resumed(deployment, expected)
        assert digests(ended) == digests(expected)


def test_after_a_killed_engine_process_with_checkpoints_in_a_bucket(tmp_path: Path) -> None:
    with swift(tmp_path / "swift") as server:
        url = f"s3://{server.make_bucket('outputs')}?endpoint={server.endpoint}&region=us-east-1&path_style=1"
        keys = {"storage_access_key": server.access_key_id, "storage_secret_key": server.secret_access_key}
        with deployed(tmp_path, storage_url=url, **keys) as deployment:
            name = deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
            job = deployment.submit("fox", STEPS)
            is_saved(deployment, job)
            os.kill(deployment.engine_process(name), signal.SIGKILL)
            (ended,) = deployment.finished(job)
            has_gone_on(deployment, ended)


def test_a_drained_worker_saves_at_the_next_call_and_counts_no_attempt(deployment: Deployment) -> None:
    """Long before a checkpoint is due by time."""
    deployment.start_worker(SLOW, checkpoint_seconds=3600)
    job = deployment.submit("fox", STEPS)
    deployment.is_denoising(job)
    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(30) == 0
    is_handed_back(deployment, job)
    deployment.start_worker(QUICK)
    (ended,) = deployment.finished(job)
    has_gone_on(deployment, ended)


def test_a_drain_does_not_wait_for_a_call_longer_than_its_grace(deployment: Deployment) -> None:
    deployment.start_worker("simulated?launch_ms=60000", grace_seconds=3)
    job = deployment.submit("fox")
    deployment.reaches(job, lambda now: now.progress is not None and now.progress.phase is Phase.DENOISE)
    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(30) == 0
    is_handed_back(deployment, job)


def test_a_notice_that_the_machine_goes_drains_as_well(deployment: Deployment) -> None:
    """And as long as it stands, a worker that is started again takes nothing."""
    notice = deployment.folder / "leaving"
    command = f"test -e '{notice}'"
    deployment.start_worker("simulated?launch_ms=200", notice_command=command)
    job = deployment.submit("fox", STEPS)
    deployment.is_denoising(job)
    notice.touch()
    assert deployment.workers[0].wait(30) == 0
    is_handed_back(deployment, job)
    second = deployment.start_worker(QUICK, wait=False, notice_command=command)
    deployment.until(lambda: "starts when that is called off" in deployment.log(second))
    is_handed_back(deployment, job)
    notice.unlink()
    (ended,) = deployment.finished(job)
    has_gone_on(deployment, ended)


def test_a_checkpoint_that_is_no_good_costs_time_and_is_named(deployment: Deployment) -> None:
    deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
    jobs = {fault: deployment.submit(f"fox {fault}", STEPS) for fault in ("altered", "missing", "foreign")}
    for job in jobs.values():
        is_saved(deployment, job)
    deployment.workers[0].kill()
    deployment.objects.delete_many(keys(deployment, jobs["missing"]))
    put(deployment, keys(deployment, jobs["altered"])[-1], b"altered")
    foreign = jobs["foreign"]
    content = b'{"step": 3, "fingerprint": "of another"}'
    key = keys(deployment, foreign)[-1]
    put(deployment, key, content)
    named = {"0": {"key": key, "sha256": hashlib.sha256(content).hexdigest(), "step": 3}}
    assert deployment.store.note_checkpoint(foreign.account, foreign.id, 1, {"outputs": named})

    second = deployment.start_worker(QUICK, checkpoint_seconds=OFTEN)
    for ended in deployment.finished(*jobs.values()):
        deployment.check(ended)
        (facts,) = resumed(deployment, ended)
        assert facts["step"] == 0
        assert facts["refused"]
        assert ended.sharing is not None
        assert ended.sharing.calls == STEPS
    assert deployment.log(second).count("beginning from step 0") == len(jobs)
    told = {"altered": 1, "unreadable": 1, "differs": 1}
    deployment.until(lambda: tally(deployment, second)["refused"] == told)
    text = render(worker_samples(deployment.store.workers()))
    assert f'omni_checkpoints_refused_total{{worker="{second}",reason="differs"}} 1' in text
    deployment.until(lambda: not list(deployment.objects.list("checkpoints/")))


def test_a_checkpoint_that_may_be_what_kills_the_engine_process_is_given_up(deployment: Deployment) -> None:
    deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
    job = deployment.submit("fox", STEPS)
    is_saved(deployment, job)
    deployment.workers[0].kill()
    second = deployment.start_worker("simulated?launch_ms=500", checkpoint_seconds=0)
    killed = set[Any]([None])
    for crashes in (1, 2):
        deployment.until(lambda: len(resumed(deployment, job)) == crashes)  # noqa: B023
        deployment.until(lambda: deployment.worker(second).details["engine_process"] not in killed)  # type: ignore[union-attr]
        killed.add(deployment.engine_process(second))
        os.kill(deployment.engine_process(second), signal.SIGKILL)
        deployment.until(lambda: f'"crashes":{crashes}' in str(pointer(deployment, job)))  # noqa: B023
    deployment.workers[1].kill()
    deployment.start_worker(QUICK)
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    went_on = resumed(deployment, ended)
    assert [facts["step"] > 0 for facts in went_on[:2]] == [True, True]
    assert (went_on[-1]["step"], "died 2 times" in went_on[-1]["refused"]) == (0, True)


def tally(deployment: Deployment, name: str) -> dict[str, Any]:
    """What a worker tells of its checkpoints."""
    info = deployment.worker(name)
    assert info is not None
    told: dict[str, Any] = info.details["checkpoints"]
    return told


def test_storage_that_takes_no_checkpoint_costs_the_job_nothing_else(deployment: Deployment) -> None:
    name = deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
    (deployment.folder / "objects" / "checkpoints").write_text("where the folder would be")
    job = deployment.submit("fox", STEPS)
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    assert "checkpoint dropped" in deployment.log(name)
    deployment.until(lambda: tally(deployment, name)["dropped"] >= 1)
    assert (tally(deployment, name)["written"], tally(deployment, name)["seconds"] >= 0) == (0, True)


def test_a_canceled_job_leaves_no_checkpoint(deployment: Deployment) -> None:
    deployment.start_worker(SLOW, checkpoint_seconds=OFTEN)
    job = deployment.submit("fox", 200)
    is_saved(deployment, job)
    queue.cancel(deployment.store, job.account, job.id)
    deployment.until(lambda: not keys(deployment, job))
    assert deployment.job(job).status is Status.CANCELED


def test_jobs_that_are_short_or_not_to_be_saved_leave_no_trace(deployment: Deployment) -> None:
    deployment.start_worker("simulated?launch_ms=5", checkpoint_seconds=0)
    job = deployment.submit("fox", 100)
    deployment.is_denoising(job)
    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(30) == 0
    assert pointer(deployment, job) is None
    deployment.start_worker("simulated?launch_ms=1")
    short = deployment.submit("short", 20)
    for ended in deployment.finished(job, short):
        deployment.check(ended)
        assert not resumed(deployment, ended)
        assert not keys(deployment, ended)
    assert list(deployment.objects.list("checkpoints/")) == []
