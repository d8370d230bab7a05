"""The operator's check of prompts: a refusal is told and leaves nothing behind; a broken check lets nothing in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.api.conftest import Served, job_body
from tests.servers.processes import api, environment


def no_foxes(account: str, job: Mapping[str, Any]) -> str | None:
    """A check as an operator names it."""
    if "broken" in job["prompt"]:
        raise LookupError("the list of words is gone")
    return f"{account} asks for foxes" if "fox" in job["prompt"] else None


@pytest.fixture(scope="module")
def strict(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = served.environment | {"prompt_check": "tests.api.test_safety.no_foxes"}
    with api(tmp_path_factory.mktemp("strict"), **settings) as url, httpx.Client(base_url=url) as http:
        yield http


def test_a_refused_prompt_is_no_job(served: Served, strict: httpx.Client) -> None:
    before = served.store.counts("default")
    answer = strict.post("/v1/jobs", json=job_body(prompt="a fox"))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "moderation_blocked"
    assert answer.json()["error"]["type"] == "image_generation_user_error"
    assert "default asks for foxes" in answer.json()["detail"]
    assert answer.headers["x-should-retry"] == "false"
    assert served.store.counts("default") == before
    assert strict.post("/v1/jobs", json=job_body(prompt="a hen")).status_code == 201


def test_every_job_of_a_batch_is_asked_about(strict: httpx.Client) -> None:
    batch = {"jobs": [job_body(prompt="a hen"), job_body(prompt="a fox")]}
    items = strict.post("/v1/jobs", json=batch).json()["jobs"]
    assert [item["status"] for item in items] == [201, 400]


def test_a_job_from_before_the_check_is_not_tried_again_past_it(served: Served, strict: httpx.Client) -> None:
    with httpx.Client(base_url=served.url) as lenient:
        job = lenient.post("/v1/jobs", json=job_body(prompt="a fox")).json()
        lenient.post(f"/v1/jobs/{job['id']}/cancel")
    assert strict.post(f"/v1/jobs/{job['id']}/retry").json()["error"]["code"] == "moderation_blocked"


def test_a_check_that_breaks_lets_nothing_in(strict: httpx.Client) -> None:
    answer = strict.post("/v1/jobs", json=job_body(prompt="broken"))
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "true")
    assert "list of words" not in answer.text


def test_a_check_that_is_not_there_ends_the_start(served: Served) -> None:
    command = [sys.executable, "-m", "omni_jobs.api", "--port", "0"]
    settings = served.environment | {"prompt_check": "tests.api.nowhere.check"}
    ended = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 78
    assert "OMNI_PROMPT_CHECK" in ended.stderr
