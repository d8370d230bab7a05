"""A batch outlives the API process that works on it: the next one goes on, and no line is drawn twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import ConflictError, OpenAI

from omni_jobs.schemas import Job, JobFilter
from tests.api.conftest import MODEL, Served, picture
from tests.servers.processes import api, started

ENDPOINT: Any = "/v1/images/generations"


def lines(count: int) -> bytes:
    rows = [
        {
            "custom_id": f"row-{n}",
            "method": "POST",
            "url": ENDPOINT,
            "body": {"model": MODEL, "prompt": f"fox {n}"},
        }
        for n in range(count)
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def jobs_of(served: Served, batch_id: str) -> list[Job]:
    return served.store.list("default", JobFilter(tag=batch_id), limit=100)[0]


def run_next(served: Served, batch_id: str) -> None:
    """Whichever of the batch's jobs comes first; the store may hold other tests' jobs."""
    ids = {job.id for job in jobs_of(served, batch_id)}
    claims = iter(lambda: served.store.claim_next("tester", [MODEL], lease_seconds=60), None)
    served.succeed(next(claim for claim in claims if claim.job_id in ids), picture())


def until(fact: Callable[[], Any]) -> None:
    for _ in range(600):
        if fact():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come true")


def test_a_killed_process_loses_no_line_and_doubles_none(served: Served, tmp_path: Path) -> None:
    count = 90
    room = served.store.stats()["queued"] + 40
    given = {**served.environment, "max_queued_jobs": room}
    with started("omni_jobs.api", "--port", "0", log=tmp_path / "a.log", **given) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        with OpenAI(base_url=f"{url}/v1", api_key="none") as client:
            file = client.files.create(file=("a.jsonl", lines(count)), purpose="batch")
            batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
        # In the middle of its lines: the queue has no room for the rest.
        until(lambda: jobs_of(served, batch.id))
        run_next(served, batch.id)
        process.kill()
        process.wait()
    begun = len(jobs_of(served, batch.id))
    assert 0 < begun < count
    # The dead process's lock ends by itself within a minute; here it does at once.
    served.store.redis.delete(served.store.keys("batch_lock", "default", batch.id))
    with api(tmp_path, **served.environment) as url, OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        until(lambda: len(jobs_of(served, batch.id)) == count)
        for _ in range(count - 1):
            run_next(served, batch.id)
        until(lambda: client.batches.retrieve(batch.id).status == "completed")
        done = client.batches.retrieve(batch.id)
        told = [json.loads(row) for row in client.files.content(done.output_file_id or "").text.splitlines()]
    assert [row["custom_id"] for row in told] == [f"row-{n}" for n in range(count)]
    assert len({row["response"]["request_id"] for row in told}) == count
    assert len(jobs_of(served, batch.id)) == count


def test_another_process_goes_on_with_a_batch(served: Served, tmp_path: Path) -> None:
    with api(tmp_path, **served.environment) as url, OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        file = client.files.create(file=("a.jsonl", lines(4)), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
        until(lambda: len(jobs_of(served, batch.id)) == 4)
        run_next(served, batch.id)
    with api(tmp_path, **served.environment) as url, OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        for _ in range(3):
            run_next(served, batch.id)
        until(lambda: client.batches.retrieve(batch.id).status == "completed")
        done = client.batches.retrieve(batch.id)
        told = [json.loads(row) for row in client.files.content(done.output_file_id or "").text.splitlines()]
    assert sorted(row["custom_id"] for row in told) == [f"row-{n}" for n in range(4)]
    assert len(jobs_of(served, batch.id)) == 4
    assert len({row["response"]["request_id"] for row in told}) == 4


def test_the_input_of_an_open_batch_stays_until_the_batch_has_ended(served: Served, tmp_path: Path) -> None:
    with (
        api(tmp_path, **served.environment) as url,
        OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        file = client.files.create(
            file=("a.jsonl", lines(1)),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
        assert (client.files.retrieve(file.id).expires_at or 0) > (batch.expires_at or 0)
        with pytest.raises(ConflictError, match="Cancel the batch first"):
            client.files.delete(file.id)
        client.batches.cancel(batch.id)
        until(lambda: client.batches.retrieve(batch.id).status == "cancelled")
        assert client.files.delete(file.id).deleted
