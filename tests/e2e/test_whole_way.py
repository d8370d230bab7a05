"""From a producer to a presigned link, through real parts: Celery, the engine process, Swift's S3."""

from __future__ import annotations

import hashlib
import io
import signal
import urllib.request
from pathlib import Path

from celery import Celery
from PIL import Image

from omni_jobs.client import Client
from omni_jobs.names import SUBMIT_QUEUE, SUBMIT_TASK
from omni_jobs.schemas import EventType, Status
from storage import open_store
from tests.e2e.deployment import Deployment, deployed
from tests.servers.swift import swift


def test_producer_celery_engine_swift_and_a_presigned_link(tmp_path: Path) -> None:
    with swift(tmp_path / "swift") as server:
        url = f"s3://{server.make_bucket('outputs')}/site?endpoint={server.endpoint}&region=us-east-1&path_style=1"
        keys = {"storage_access_key": server.access_key_id, "storage_secret_key": server.secret_access_key}
        with deployed(tmp_path, storage_url=url, **keys) as deployment:
            deployment.start_worker("simulated?launch_ms=1")
            options = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
            with Client(deployment.server.url, **keys) as client, open_store(url, **options) as objects:
                job = client.submit(prompt="a fox", model="sim", num_outputs=2, output={"format": "webp"})
                ended = client.wait(job, timeout_seconds=60)
                assert [artifact.seed for artifact in ended.artifacts] == [job.seed, job.seed + 1]
                for artifact in ended.artifacts:
                    with urllib.request.urlopen(objects.presign_get(artifact.key, 60)) as answer:
                        content = answer.read()
                        assert answer.headers["Content-Type"] == "image/webp"
                    assert hashlib.sha256(content).hexdigest() == artifact.sha256
                    assert client.download(artifact) == content
                    with Image.open(io.BytesIO(content)) as picture:
                        assert picture.size == (64, 64)


def test_any_celery_application_submits_by_name(deployment: Deployment) -> None:
    """With the plainest settings, knowing nothing of ours but two names; twice the same message is one job."""
    deployment.start_worker()
    app = Celery("somebody", broker=deployment.server.url, set_as_current=False)
    for body in ({"model": "sim", "prompt": "from Celery"}, {"model": "sim", "prompt": "x", "bogus": 1}):
        for _ in range(2):
            app.send_task(SUBMIT_TASK, [body], queue=SUBMIT_QUEUE, task_id=f"mine-{body['prompt']}")
    app.close()
    deployment.until(lambda: deployment.store.list("default")[0])
    (job,) = deployment.store.list("default")[0]
    (ended,) = deployment.finished(job)
    deployment.check(ended)
    assert ended.request.prompt == "from Celery"


def test_an_edit_reads_the_artifact_of_another_job(deployment: Deployment) -> None:
    deployment.start_worker()
    (first,) = deployment.finished(deployment.submit("a fox"))
    edit = deployment.submit("a blue fox", task="edit", images=[first.artifacts[0].id])
    (ended,) = deployment.finished(edit)
    deployment.check(ended)


def test_jobs_that_wait_before_any_worker_lives_are_taken_when_one_comes(deployment: Deployment) -> None:
    deployment.start_worker()
    deployment.workers[0].terminate()
    deployment.workers[0].wait(30)
    jobs = [deployment.submit(f"fox {n}") for n in range(5)]
    waiting = deployment.store.waiting("default", jobs[0].id)
    assert waiting is not None
    assert waiting.reason == "no live worker serves sim"
    deployment.drop_doorbells()
    deployment.start_worker()
    for job in deployment.finished(*jobs):
        deployment.check(job)


def test_a_deadline_ends_a_running_job(deployment: Deployment) -> None:
    deployment.start_worker("simulated?launch_ms=50")
    job = deployment.submit("fox", 200, deadline=deployment.moment(1.5))
    (ended,) = deployment.finished(job)
    assert ended.status is Status.FAILED
    assert ended.error is not None
    assert ended.error.code == "deadline_exceeded"


def test_storage_that_goes_away_costs_time_and_no_job(tmp_path: Path) -> None:
    with swift(tmp_path / "swift") as server:
        url = f"s3://{server.make_bucket('outputs')}?endpoint={server.endpoint}&region=us-east-1&path_style=1"
        timeouts = "&connect_timeout_seconds=1&read_timeout_seconds=1&max_attempts=1"
        keys = {"storage_access_key": server.access_key_id, "storage_secret_key": server.secret_access_key}
        with deployed(tmp_path, storage_url=url + timeouts, **keys) as deployment:
            deployment.start_worker("simulated?launch_ms=1")
            server.process.send_signal(signal.SIGSTOP)
            job = deployment.submit("a fox")
            deployment.reaches(job, lambda now: now.status is Status.RUNNING)
            deployment.until(lambda: "trying again" in deployment.log("worker-0"))
            server.process.send_signal(signal.SIGCONT)
            (ended,) = deployment.finished(job)
            assert ended.status is Status.SUCCEEDED
            types = [event.type for event in deployment.store.events(job.account, job.id)]
            assert types[-1] is EventType.SUCCEEDED


def test_the_celery_parent_never_loads_torch(deployment: Deployment) -> None:
    """Asked of the real process after a job: none of torch's libraries is mapped there."""
    deployment.start_worker()
    (ended,) = deployment.finished(deployment.submit("fox"))
    deployment.check(ended)
    mapped = Path(f"/proc/{deployment.workers[0].pid}/maps").read_text()
    assert "/PIL/" in mapped
    assert "/torch/" not in mapped
