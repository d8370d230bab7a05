"""A client that retries by itself gets the job of its first try: nobody pays twice."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from openai import OpenAI
from openai.types import ImagesResponse

from omni_jobs.schemas import Job, JobError, Status
from tests.api.conftest import MODEL, Served, picture


def jobs_of(served: Served, prompt: str) -> list[Job]:
    return [job for job in served.store.list("default", limit=100)[0] if job.request.prompt == prompt]


@pytest.mark.parametrize("is_edit", [False, True])
def test_the_openai_clients_own_retry_waits_for_the_running_job(served: Served, is_edit: bool) -> None:
    prompt = f"a slow fox {is_edit}"
    answers: list[ImagesResponse] = []
    again = threading.Event()

    def count(request: httpx.Request) -> None:
        if request.headers["x-stainless-retry-count"] == "2":
            again.set()

    def ask() -> None:
        with OpenAI(base_url=f"{served.url}/v1", api_key="none", timeout=0.7, max_retries=5) as client:
            client._client.event_hooks = {"request": [count]}
            given: dict[str, Any] = {"model": MODEL, "prompt": prompt}
            answers.append(
                client.images.edit(**given, image=picture()) if is_edit else client.images.generate(**given)
            )

    client = threading.Thread(target=ask)
    client.start()
    assert again.wait(30)
    (job,) = jobs_of(served, prompt)
    served.succeed(served.claim(job.id), picture())
    client.join(30)
    assert answers
    assert answers[0].to_dict()["id"] == job.id
    assert len(jobs_of(served, prompt)) == 1


def ask(served: Served, prompt: str, count: int, answers: list[httpx.Response]) -> threading.Thread:
    body = {"model": MODEL, "prompt": prompt}
    headers = {"x-stainless-retry-count": str(count)}
    url = f"{served.url}/v1/images/generations"

    def run() -> None:
        answers.append(httpx.post(url, json=body, headers=headers, timeout=30))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def until_there(served: Served, prompt: str, count: int) -> list[Job]:
    for _ in range(200):
        if len(jobs := jobs_of(served, prompt)) == count:
            return jobs
        threading.Event().wait(0.05)
    raise AssertionError(f"{len(jobs)} jobs instead of {count}")


def test_two_equal_requests_are_two_jobs_and_each_is_found_by_one_retry(served: Served) -> None:
    prompt = "two equal foxes"
    for given_up in range(1, 3):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{served.url}/v1/images/generations", json={"model": MODEL, "prompt": prompt}, timeout=0.3)
        until_there(served, prompt, given_up)
    answers: list[httpx.Response] = []
    retries = [ask(served, prompt, 1, answers) for _ in range(2)]
    for job in jobs_of(served, prompt)[::-1]:
        served.succeed(served.claim(job.id), picture())
    for retry in retries:
        retry.join(30)
    found = {answer.json()["id"] for answer in answers}
    assert found == {job.id for job in jobs_of(served, prompt)}
    assert len(found) == 2


def test_a_failed_job_is_not_found_again(served: Served) -> None:
    prompt = "a fox that fails at first"
    answers: list[httpx.Response] = []
    first = ask(served, prompt, 0, answers)
    (job,) = until_there(served, prompt, 1)
    claim = served.claim(job.id)
    error = JobError(code="upload_failed", message="The store was away.", retryable=True)
    served.store.move(claim.account, job.id, Status.FAILED, attempt=claim.attempt, error=error)
    first.join(30)
    assert (answers[0].status_code, answers[0].headers["x-should-retry"]) == (502, "true")
    second = ask(served, prompt, 1, answers)
    newest = until_there(served, prompt, 2)[0]
    served.succeed(served.claim(newest.id), picture())
    second.join(30)
    assert answers[1].json()["id"] == newest.id


def test_an_answer_that_arrived_is_no_ones_retry(served: Served) -> None:
    prompt = "a fox that was delivered"
    answers: list[httpx.Response] = []
    for count in (0, 1):
        call = ask(served, prompt, count, answers)
        job = until_there(served, prompt, count + 1)[0]
        served.succeed(served.claim(job.id), picture())
        call.join(30)
    assert answers[0].json()["id"] != answers[1].json()["id"]
