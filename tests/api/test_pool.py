"""The API beside a real worker process: readiness by a round trip, metrics, the client, and a full pool."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from omni_jobs.client import Client
from omni_jobs.errors import IllegalMove, InvalidRequest, JobFailed, NotFound, UnknownModel
from omni_jobs.metrics import METRICS
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import EventType, Progress, Status
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.api.conftest import picture
from tests.servers.processes import api, started

MODEL = "sim"
SLOTS = 4


class Pool:
    """Addresses and processes of the deployment under test."""

    def __init__(self, url: str, worker: subprocess.Popen[bytes], settings: dict[str, Any]) -> None:
        self.url = url
        self.worker = worker
        self.settings = settings


def until_ready(url: str) -> dict[str, Any]:
    ends = time.monotonic() + 60
    while True:
        answer = httpx.get(f"{url}/readyz", timeout=30)
        if answer.status_code == 200:
            return dict(answer.json())
        assert time.monotonic() < ends, answer.text
        time.sleep(0.1)


@pytest.fixture(scope="module")
def pool(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder: Path = tmp_path_factory.mktemp("pool")
    settings: dict[str, Any] = {
        "redis_url": redis_server.url,
        "key_prefix": f"t{secrets.token_hex(6)}",
        "storage_url": str(folder / "objects"),
        "data_dir": str(folder),
    }
    source = "simulated?launch_ms=4&row_ms=1&fail_on=broken"
    arguments = ("--model", f"{MODEL}={source}", "--caps", "fixed(4)", "--name", "one")
    worker_settings = settings | {"slots": SLOTS, "log_format": "console"}
    with (
        api(folder, **settings) as url,
        started("workers.app", *arguments, log=folder / "worker.log", **worker_settings) as worker,
    ):
        until_ready(url)
        yield Pool(url, worker, settings)


@pytest.fixture
def client(pool: Pool) -> Iterator[Client]:
    with Client(pool.url) as opened:
        yield opened


def test_ready_means_that_a_worker_takes_messages(pool: Pool) -> None:
    assert until_ready(pool.url)["models"] == {MODEL: "ready"}
    os.kill(pool.worker.pid, signal.SIGSTOP)
    try:
        ends = time.monotonic() + 30
        while (answer := httpx.get(f"{pool.url}/readyz", timeout=30)).status_code == 200:
            assert time.monotonic() < ends
        # A frozen worker still counts as alive until its beat is old; the round trip knows better.
        assert answer.json()["models"] == {MODEL: "a worker lives and takes no messages"}
        assert httpx.get(f"{pool.url}/healthz").status_code == 200
    finally:
        os.kill(pool.worker.pid, signal.SIGCONT)
    until_ready(pool.url)


def test_a_job_goes_all_the_way(client: Client) -> None:
    seen: list[Progress] = []
    job = client.submit(model=MODEL, prompt="a fox", seed=3, parameters={"num_inference_steps": 60})
    done = client.wait(job, timeout_seconds=60, on_progress=seen.append)
    assert client.download(done.artifacts[0]).startswith(b"\x89PNG")
    assert seen
    types = [event.type for event in client.events(job) if event.type.is_durable]
    assert types == [EventType.QUEUED, EventType.STARTED, EventType.OUTPUT, EventType.SUCCEEDED]
    assert client.list(status=Status.SUCCEEDED).jobs[0].id == job.id
    assert [card.name for card in client.models()] == [MODEL]


def test_the_client_raises_what_the_service_meant(client: Client) -> None:
    with pytest.raises(UnknownModel, match="Did you mean `sim`"):
        client.submit(model="sin", prompt="x")
    with pytest.raises(InvalidRequest) as refused:
        client.submit(model=MODEL, prompt="x", parameters={"num_inference_steps": "many"})
    assert refused.value.field == "parameters.num_inference_steps"
    with pytest.raises(NotFound):
        client.get("job_0")
    failed = client.submit(model=MODEL, prompt="broken")
    with pytest.raises(JobFailed, match="execution_failed"):
        client.wait(failed, timeout_seconds=60)
    canceled = client.submit(model=MODEL, prompt="x", not_before="2999-01-01T00:00:00Z")
    assert client.cancel(canceled).status is Status.CANCELED
    assert client.retry(canceled).retry_of == canceled.id
    with pytest.raises(IllegalMove):
        client.cancel(failed)


def test_an_upload_through_the_client(client: Client, pool: Pool) -> None:
    upload = client.upload(picture(20), filename="teal.png")
    found = httpx.get(f"{pool.url}/v1/uploads/{upload}").json()
    assert (found["width"], found["filename"]) == (20, "teal.png")


def test_metrics_show_the_whole_pool(pool: Pool, client: Client) -> None:
    client.wait(client.submit(model=MODEL, prompt="a fox"), timeout_seconds=60)
    ends = time.monotonic() + 30
    while True:
        answer = httpx.get(f"{pool.url}/metrics")
        lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        if float(lines.get('omni_engine_calls_total{worker="one"}', 0)) > 0:
            break
        assert time.monotonic() < ends, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert lines['omni_worker_slots{worker="one"}'] == str(SLOTS)
    assert lines[f'omni_model_workers{{model="{MODEL}",state="ready"}}'] == "1"
    assert int(lines['omni_jobs_kept{account="default",status="succeeded"}']) >= 1
    assert int(lines['omni_http_request_seconds_bucket{le="+Inf"}']) == int(
        lines["omni_http_request_seconds_count"]
    )
    named = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    # A simulated device merges nothing and so has nothing to prove; no checkpoint was refused here.
    absent = {"omni_engine_proofs_total", "omni_engine_alone_calls_total", "omni_checkpoints_refused_total"}
    assert named == set(METRICS) - absent


def test_every_metric_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for name, metric in METRICS.items():
        assert f"| `{name}` | {metric.kind} | {metric.help} |" in text


def test_no_submit_is_lost_or_doubled_and_answers_stay_quick_while_the_pool_is_full(pool: Pool) -> None:
    """500 submits, each sent twice under its key, while the worker has more than it can take."""
    count = 500

    async def submit_all() -> tuple[list[str], list[float]]:
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(base_url=pool.url, timeout=60, limits=limits) as http:

            async def send(number: int) -> tuple[str, float]:
                body = {"model": MODEL, "prompt": f"fox {number}", "tags": ["flood"]}
                headers = {"Idempotency-Key": f"flood-{number}"}
                ids = set()
                began = time.perf_counter()
                for _ in range(2):
                    answer = await http.post("/v1/jobs", json=body, headers=headers)
                    answer.raise_for_status()
                    ids.add(answer.json()["id"])
                (only,) = ids
                return only, (time.perf_counter() - began) / 2

            sent = await asyncio.gather(*(send(number) for number in range(count)))
            one_by_one = []
            for job_id, _ in sent[:200]:
                began = time.perf_counter()
                await http.get(f"/v1/jobs/{job_id}")
                one_by_one.append(time.perf_counter() - began)
        return [job_id for job_id, _ in sent], one_by_one

    ids, seconds = asyncio.run(submit_all())
    assert len(set(ids)) == count
    store = connect(Settings.model_validate(pool.settings))
    try:
        ends = time.monotonic() + 120
        while not all(store.get("default", job_id).is_finished for job_id in ids[-50:]):
            assert time.monotonic() < ends
            time.sleep(0.1)
        jobs = [store.get("default", job_id) for job_id in ids]
        assert {job.status for job in jobs} == {Status.SUCCEEDED}
        assert all(
            [event.type for event in store.events("default", job.id)].count(EventType.SUCCEEDED) == 1
            for job in jobs
        )
    finally:
        store.close()
    figures = statistics.quantiles(seconds, n=100)
    sys.stdout.write(f"GET while saturated: p50 {figures[49] * 1000:.1f} ms, p99 {figures[98] * 1000:.1f} ms\n")
