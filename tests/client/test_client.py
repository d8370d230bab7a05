"""The client straight on Redis, with no API: blocking and asynchronous, by every way a producer works."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs.client import AsyncClient, Client
from omni_jobs.errors import (
    IllegalMove,
    InvalidMedia,
    InvalidRequest,
    JobFailed,
    Misconfigured,
    NotFound,
    QueueUnavailable,
)
from omni_jobs.redis_server import RedisServer, free_port
from omni_jobs.schemas import JobError, JobRequest, Phase, Progress, Status
from omni_jobs.store import JobStore
from storage import ObjectStore
from tests.client.conftest import picture, work


@pytest.fixture
def client(redis_server: RedisServer, deployed: JobStore) -> Iterator[Client]:
    with Client(redis_server.url, key_prefix=deployed.keys.prefix) as opened:
        yield opened


def test_from_submit_to_bytes(client: Client, deployed: JobStore, objects: ObjectStore) -> None:
    job = client.submit(model="tiny", prompt="a hill", seed=3)
    waiting = client.get(job).waiting
    assert waiting is not None
    assert waiting.reason == "no live worker serves tiny"
    worker = threading.Thread(target=work, args=(deployed, objects, b"the picture"))
    worker.start()
    done = client.wait(job, timeout_seconds=60)
    worker.join()
    assert (done.status, done.artifacts[0].seed) == (Status.SUCCEEDED, 3)
    assert client.download(done.artifacts[0]) == b"the picture"
    types = [event.type.value for event in client.events(job)]
    assert types == ["job.queued", "job.started", "job.output", "job.succeeded"]
    assert client.list(status="succeeded").jobs == [done]
    assert [card.name for card in client.models()] == ["tiny"]


def test_a_request_object_and_a_mapping_are_the_same(client: Client) -> None:
    request = JobRequest(model="tiny", prompt="x", idempotency_key="k", parameters={"width": 32})
    ids = {client.submit(one).id for one in (request, request.model_dump(mode="json", exclude_unset=True))}
    ids.add(client.submit({"model": "tiny", "prompt": "x"}, idempotency_key="k", parameters={"width": 32}).id)
    assert len(ids) == 1


def test_pictures_go_in_as_path_bytes_or_id(
    client: Client, deployed: JobStore, objects: ObjectStore, tmp_path: Path
) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(picture())
    upload_id = client.upload(file)
    job = client.submit(model="tiny", task="edit", prompt="x", images=[file, picture("JPEG")], mask=upload_id)
    assert job.request.mask == upload_id
    assert deployed.upload("default", upload_id).filename == "photo.png"
    stored = [deployed.find_input("default", one) for one in job.request.images]
    assert [one.content_type for one in stored] == ["image/png", "image/jpeg"]
    assert objects.get(stored[0].key) == picture()
    inputs = {"control_image": [picture("WEBP"), upload_id]}
    steered = client.submit(model="tiny", prompt="x", inputs=inputs).request.inputs["control_image"]
    assert steered[1] == upload_id
    assert deployed.find_input("default", steered[0]).content_type == "image/webp"
    done = work(deployed, objects)
    again = client.submit(model="tiny", task="edit", prompt="more", images=[done.artifacts[0].id])
    assert again.request.images == (done.artifacts[0].id,)


def test_what_is_refused(client: Client, objects: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia):
        client.submit(model="tiny", task="edit", prompt="x", images=[b"no picture"])
    with pytest.raises(InvalidRequest, match="cannot be read"):
        client.upload(tmp_path / "missing.png")
    with pytest.raises(InvalidRequest, match="width"):
        client.submit(model="tiny", prompt="x", parameters={"width": 5})
    with pytest.raises(NotFound):
        client.get("job_none")
    with pytest.raises(NotFound):
        client.wait("job_none")
    assert client.list().jobs == []
    assert list(objects.list()) == []


def test_waiting_for_a_job_that_does_not_succeed(client: Client, deployed: JobStore) -> None:
    job = client.submit(model="tiny", prompt="x")
    with pytest.raises(TimeoutError):
        client.wait(job, timeout_seconds=0.05)
    deployed.claim_next("w", ["tiny"], lease_seconds=30)
    error = JobError(code="execution_failed", message="the pipeline raised", remedy="ask otherwise")
    deployed.move("default", job.id, Status.FAILED, attempt=1, error=error)
    with pytest.raises(JobFailed, match="the pipeline raised") as failed:
        client.wait(job)
    assert failed.value.job.error == error
    assert client.wait(job, check=False).status is Status.FAILED
    assert client.retry(job).retry_of == job.id


def test_cancel(client: Client) -> None:
    job = client.submit(model="tiny", prompt="x")
    assert client.cancel(job).status is Status.CANCELED
    assert client.cancel(job.id).status is Status.CANCELED
    with pytest.raises(JobFailed, match="Was canceled"):
        client.wait(job)


def test_cancel_after_the_end(client: Client, deployed: JobStore, objects: ObjectStore) -> None:
    job = client.submit(model="tiny", prompt="x")
    work(deployed, objects)
    with pytest.raises(IllegalMove):
        client.cancel(job)


async def _watch_many(url: str, store: JobStore, objects: ObjectStore) -> None:
    async with AsyncClient(url, key_prefix=store.keys.prefix) as client:
        jobs = [await client.submit(model="tiny", prompt=str(n)) for n in range(40)]
        waits = [asyncio.create_task(client.wait(job)) for job in jobs]
        for _ in jobs:
            await asyncio.to_thread(work, store, objects)
        done = await asyncio.gather(*waits)
        assert [job.id for job in done] == [job.id for job in jobs]
        assert {job.status for job in done} == {Status.SUCCEEDED}


def test_many_waiters_on_one_loop(redis_server: RedisServer, deployed: JobStore, objects: ObjectStore) -> None:
    asyncio.run(_watch_many(redis_server.url, deployed, objects))


def test_progress_reaches_the_waiter(client: Client, deployed: JobStore, objects: ObjectStore) -> None:
    job = client.submit(model="tiny", prompt="x")
    claim = deployed.claim_next("w", ["tiny"], lease_seconds=30)
    assert claim is not None
    seen: list[int] = []
    has_seen = threading.Event()

    def note(progress: Progress) -> None:
        seen.append(progress.step)
        has_seen.set()

    waiter = threading.Thread(target=client.wait, args=(job,), kwargs={"on_progress": note})
    waiter.start()
    deployed.note_progress("default", job.id, 1, Progress(phase=Phase.DENOISE, step=2, steps=4, percent=50))
    assert has_seen.wait(60)
    deployed.move("default", job.id, Status.SUCCEEDED, attempt=1)
    waiter.join(60)
    assert seen == [2]


def test_addresses(deployed: JobStore) -> None:
    with pytest.raises(Misconfigured, match="no way in"):
        Client("ftp://x")
    with Client(f"redis://127.0.0.1:{free_port()}") as client, pytest.raises(QueueUnavailable):
        client.list()


def test_storage_is_named_by_nobody(redis_server: RedisServer, store: JobStore) -> None:
    with (
        Client(redis_server.url, key_prefix=store.keys.prefix) as client,
        pytest.raises(Misconfigured, match="no worker has said it"),
    ):
        client.upload(picture())


def test_importing_the_client_loads_nothing_heavy() -> None:
    heavy = ("torch", "diffusers", "redis", "celery", "boto3", "PIL", "workers", "storage")
    probe = f"import sys, omni_jobs.client; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True).strip() == "[]"
