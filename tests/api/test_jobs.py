"""Jobs over HTTP: what a caller can do with one, and what a refusal tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from omni_jobs.schemas import JobError, Status
from tests.api.conftest import MODEL, Served, job_body, live_worker, picture


def test_a_job_is_submitted_waited_for_and_its_link_is_an_image(served: Served, http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json=job_body(seed=7))
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["waiting"]["reason"] == f"no live worker serves {MODEL}"
    served.succeed(served.claim(job["id"]), picture())

    done = http.get(f"/v1/jobs/{job['id']}", params={"wait": 30}).json()
    assert (done["status"], done["seed"]) == ("succeeded", 7)
    shown = httpx.get(done["artifacts"][0]["url"])
    assert (shown.status_code, shown.headers["content-type"], shown.content) == (200, "image/png", picture())


def test_a_long_poll_ends_as_soon_as_the_job_does(served: Served, http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    claim = served.claim(job_id)
    answers: list[httpx.Response] = []
    poll = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{served.url}/v1/jobs/{job_id}", params={"wait": 60}, timeout=70))
    )
    poll.start()
    served.succeed(claim, picture())
    poll.join()
    assert answers[0].json()["status"] == "succeeded"


def test_a_long_poll_gives_the_job_as_it_stands_when_time_is_up(http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    assert http.get(f"/v1/jobs/{job_id}", params={"wait": 0.05}).json()["status"] == "queued"


def test_the_same_idempotency_key_gives_the_same_job(http: httpx.Client) -> None:
    headers = {"Idempotency-Key": '"order-17"'}
    first = http.post("/v1/jobs", json=job_body(), headers=headers)
    again = http.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "order-17"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = http.post("/v1/jobs", json=job_body(prompt="an owl"), headers=headers)
    assert (other.status_code, other.json()["error_type"]) == (422, "idempotency_mismatch")


def test_each_job_of_a_batch_is_accepted_or_refused_by_itself(http: httpx.Client) -> None:
    batch = {"jobs": [job_body(), job_body(parameters={"width": 1}), job_body(model="papre"), job_body()]}
    headers = {"Idempotency-Key": "batch-1"}
    items = http.post("/v1/jobs", json=batch, headers=headers).json()["jobs"]
    assert [item["status"] for item in items] == [201, 400, 404, 201]
    assert "Did you mean `paper`?" in items[2]["error"]["detail"]
    again = http.post("/v1/jobs", json=batch, headers=headers).json()["jobs"]
    assert [item["status"] for item in again] == [200, 400, 404, 200]
    assert [again[place]["job"]["id"] for place in (0, 3)] == [items[place]["job"]["id"] for place in (0, 3)]


def test_a_malformed_job_refuses_its_whole_batch(served: Served, http: httpx.Client) -> None:
    before = served.store.counts("default")
    answer = http.post("/v1/jobs", json={"jobs": [job_body(), job_body(promt="x")]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "jobs.1.promt")
    assert served.store.counts("default") == before


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (job_body(promt="x"), 400, "invalid_request", "promt"),
        (job_body(parameters={"width": 3}), 400, "invalid_request", "parameters.width"),
        (job_body(model="nothing"), 404, "model_not_found", "model"),
        (job_body(images=["upl_0"], task="edit"), 400, "invalid_request", "images.0"),
        ([], 400, "invalid_request", None),
    ],
)
def test_a_refusal_parses_as_a_problem_and_as_an_openai_error(
    http: httpx.Client, body: object, status: int, code: str, field: str | None
) -> None:
    answer = http.post("/v1/jobs", json=body, headers={"x-request-id": "mine-1"})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"] == "mine-1"
    assert answer.headers["x-should-retry"] == "false"
    assert (answer.status_code, problem["status"], problem["error_type"]) == (status, status, code)
    assert problem["error"] == {
        "message": problem["detail"],
        "type": "invalid_request_error",
        "param": field,
        "code": code,
    }


@pytest.mark.parametrize(
    ("content", "kind"), [(b"{", "application/json"), (b'{"a": NaN}', "application/json"), (b"{}", "text/plain")]
)
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, content: bytes, kind: str) -> None:
    answer = http.post("/v1/jobs", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error_type"]) == (400, "invalid_request")


def test_a_body_above_the_limit_is_refused_while_it_arrives(http: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"prompt": "'
        for _ in range(40):
            yield b"x" * 10_000

    answer = http.post("/v1/jobs", content=chunks(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error_type"]) == (413, "payload_too_large")


def test_a_list_is_paged_and_filtered(http: httpx.Client) -> None:
    ids = [http.post("/v1/jobs", json=job_body(tags=["paged"])).json()["id"] for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        given = {"tag": "paged", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/jobs", params=given).json()
        found += [job["id"] for job in page["jobs"]]
        cursor = page.get("cursor")
        if cursor is None:
            break
    assert found == sorted(ids, reverse=True)
    assert http.get("/v1/jobs", params={"tag": "paged", "status": "failed"}).json() == {"jobs": []}
    assert http.get("/v1/jobs", params={"cursor": "?"}).json()["error"]["param"] == "cursor"


def test_cancel_is_idempotent_and_a_finished_job_cannot_be_canceled(served: Served, http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    for _ in range(2):
        assert http.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "canceled"
    other = http.post("/v1/jobs", json=job_body()).json()["id"]
    served.succeed(served.claim(other), picture())
    answer = http.post(f"/v1/jobs/{other}/cancel")
    assert (answer.status_code, answer.json()["error_type"]) == (409, "illegal_move")


def test_many_jobs_are_called_off_at_once_and_each_by_itself(served: Served, http: httpx.Client) -> None:
    ids = [http.post("/v1/jobs", json=job_body()).json()["id"] for _ in range(3)]
    while (claim := served.store.claim_next("tester", [MODEL], lease_seconds=60)) is not None:
        if claim.job_id == ids[1]:
            served.succeed(claim, picture())
            break
    items = http.post("/v1/cancellations", json={"ids": [*ids, "job_00"]}).json()["jobs"]
    assert [item["status"] for item in items] == [200, 409, 200, 404]
    assert items[0]["job"]["status"] == "canceled"
    refused = http.post("/v1/cancellations", json={"ids": ["what"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "ids.0")


def test_a_retry_is_a_new_job(http: httpx.Client) -> None:
    job = http.post("/v1/jobs", json=job_body()).json()
    assert http.post(f"/v1/jobs/{job['id']}/retry").status_code == 409
    http.post(f"/v1/jobs/{job['id']}/cancel")
    again = http.post(f"/v1/jobs/{job['id']}/retry").json()
    assert (again["retry_of"], again["seed"], again["status"]) == (job["id"], job["seed"], "queued")


def test_delete_takes_the_objects_of_all_attempts_and_the_record(served: Served, http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "gone"}).json()["id"]
    stray = f"out/default/{job_id}/9/0.png"
    served.objects.put(stray, b"of an attempt that was superseded")
    link = served.succeed(served.claim(job_id), picture()).artifacts[0].key
    assert http.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert list(served.objects.list(f"out/default/{job_id}/")) == []
    assert link not in [one.key for one in served.objects.list()]
    assert http.get(f"/v1/jobs/{job_id}").status_code == 404
    assert http.delete(f"/v1/jobs/{job_id}").status_code == 404
    assert job_id not in [job["id"] for job in http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]]
    anew = http.post("/v1/jobs", json=job_body(prompt="another"), headers={"Idempotency-Key": "gone"})
    assert anew.status_code == 201


def test_delete_calls_a_running_job_off_first(served: Served, http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    claim = served.claim(job_id)
    assert http.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert served.store.renew("tester", [(*claim.ref, claim.attempt)], 10.0) == {claim.ref}


def test_a_waiting_job_tells_its_place_and_when_it_will_be_done(served: Served, http: httpx.Client) -> None:
    served.store.beat_worker(live_worker(), 30)
    try:
        first = http.post("/v1/jobs", json=job_body(tags=["eta"])).json()["id"]
        served.succeed(served.claim(first), picture())
        waiting = [http.post("/v1/jobs", json=job_body()).json()["id"] for _ in range(3)]
        told = [http.get(f"/v1/jobs/{job_id}").json()["waiting"] for job_id in waiting]
        assert [one["position"] for one in told] == [0, 1, 2]
        assert told[0]["reason"] == "it is next"
        assert told[2]["reason"] == "2 jobs are before it"
        assert all(one["eta_seconds"] >= 0 for one in told)
        assert told[0]["eta_seconds"] <= told[2]["eta_seconds"]
    finally:
        served.store.forget_worker("tester")
    for job_id in waiting:
        http.post(f"/v1/jobs/{job_id}/cancel")


def test_a_held_job_says_until_when(http: httpx.Client) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    job = http.post("/v1/jobs", json=job_body(not_before=later.isoformat())).json()
    assert job["waiting"]["reason"] == f"held until {later.isoformat()}"


def test_a_failed_job_carries_its_error(served: Served, http: httpx.Client) -> None:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    claim = served.claim(job_id)
    error = JobError(code="out_of_memory", message="2048x2048 does not fit.", remedy="Ask for less.", attempt=1)
    served.store.move(claim.account, job_id, Status.FAILED, attempt=claim.attempt, error=error)
    told = http.get(f"/v1/jobs/{job_id}").json()["error"]
    assert (told["code"], told["remedy"], told["retryable"]) == ("out_of_memory", "Ask for less.", False)
