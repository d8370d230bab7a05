"""All jobs that match a filter are counted, called off and tried again part by part, each once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from omni_jobs.schemas import JobError, JobFilter, Status
from tests.api.conftest import MODEL, Served, job_body
from tests.servers.processes import api


def submitted(http: httpx.Client, count: int) -> tuple[str, list[str]]:
    """Jobs with a tag of their own."""
    tag = secrets.token_hex(6)
    jobs = {"jobs": [job_body(tags=[tag]) for _ in range(count)]}
    return tag, [item["job"]["id"] for item in http.post("/v1/jobs", json=jobs).json()["jobs"]]


def parts(http: httpx.Client, path: str, cursor: str | None = None, **wanted: Any) -> Iterator[dict[str, Any]]:
    """The answers until one has no cursor."""
    while True:
        body = {name: value for name, value in {**wanted, "cursor": cursor}.items() if value is not None}
        part = http.post(path, json=body).raise_for_status().json()
        yield part
        if (cursor := part.get("cursor")) is None:
            return


def test_all_that_match_are_called_off_part_by_part_and_nobody_else(served: Served, http: httpx.Client) -> None:
    tag, ids = submitted(http, 5)
    _, others = submitted(http, 2)
    count = http.get("/v1/job_count", params={"status": "queued", "tag": tag}).json()["count"]
    done = [part["done"] for part in parts(http, "/v1/cancellations/matching", status="queued", tag=tag, limit=2)]
    assert (count, sum(done), max(done)) == (5, 5, 2)
    assert set(served.store.statuses("default", ids)) == {"canceled"}
    assert set(served.store.statuses("default", others)) == {"queued"}


def test_all_that_match_are_tried_again_once_though_each_try_is_a_new_job(
    served: Served, http: httpx.Client
) -> None:
    tag, ids = submitted(http, 5)
    for job_id in ids:
        served.store.move("default", job_id, Status.CANCELED)
    swept = list(parts(http, "/v1/retries/matching", status="canceled", tag=tag, model=MODEL, limit=2))
    assert sum(part["done"] for part in swept) == 5
    again = [job for job in served.store.list("default", JobFilter(tag=tag), limit=50)[0] if job.retry_of]
    assert sorted(str(job.retry_of) for job in again) == sorted(ids)


def test_failed_jobs_are_found_and_tried_again_by_the_code_of_their_error(
    served: Served, http: httpx.Client
) -> None:
    tag, ids = submitted(http, 3)
    fail(served, dict(zip(ids, ("poisoned", "poisoned", "execution_failed"), strict=True)))
    wanted = {"status": "failed", "tag": tag, "error_code": "poisoned"}
    listed = http.get("/v1/jobs", params=wanted).json()["jobs"]
    assert sorted(job["id"] for job in listed) == sorted(ids[:2])
    assert http.get("/v1/job_count", params=wanted).json()["count"] == 2
    swept = list(parts(http, "/v1/retries/matching", **wanted, limit=1))
    assert [part["done"] for part in swept if part["done"]] == [1, 1]
    again = [job.retry_of for job in served.store.list("default", JobFilter(tag=tag), limit=50)[0] if job.retry_of]
    assert sorted(map(str, again)) == sorted(ids[:2])


def fail(served: Served, codes: dict[str, str]) -> None:
    """As a worker would: jobs are claimed and their attempts fail, each with its code."""
    while codes:
        claim = served.store.claim_next("w", [MODEL], lease_seconds=60)
        assert claim is not None
        error = JobError(code=codes.pop(claim.job_id, "execution_failed"), message="no")
        served.store.move(claim.account, claim.job_id, Status.FAILED, attempt=claim.attempt, error=error)


def test_a_full_queue_stops_a_sweep_where_it_can_go_on(
    served: Served, http: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tag, ids = submitted(http, 4)
    for job_id in ids:
        served.store.move("default", job_id, Status.CANCELED)
    room = served.store.stats()["queued"] + 2
    given = {**served.environment, "max_queued_jobs": room}
    with api(tmp_path_factory.mktemp("full"), **given) as url, httpx.Client(base_url=url, timeout=30) as narrow:
        part = narrow.post("/v1/retries/matching", json={"status": "canceled", "tag": tag}).json()
        refused = narrow.post(
            "/v1/retries/matching", json={"status": "canceled", "tag": tag, "cursor": part["cursor"]}
        )
    assert (part["done"], refused.status_code, refused.json()["error_type"]) == (2, 429, "queue_full")
    rest = parts(http, "/v1/retries/matching", part["cursor"], status="canceled", tag=tag)
    assert sum(part["done"] for part in rest) == 2


def test_only_what_can_be_done_is_asked_for(http: httpx.Client) -> None:
    assert http.post("/v1/cancellations/matching", json={"status": "failed"}).status_code == 400
    assert http.post("/v1/retries/matching", json={"status": "running"}).status_code == 400
    assert http.post("/v1/retries/matching", json={"status": "failed", "cursor": "?"}).status_code == 404
    assert http.get("/v1/job_count").json()["count"] >= 0
