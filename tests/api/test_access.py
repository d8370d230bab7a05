"""Who may ask: keys, and names under which a server without keys answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Served
from tests.servers.processes import api, environment

KEY = "3b1f8a52c07d4e69a1d2f4b6978c0e5d"


@pytest.fixture(scope="module")
def locked(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with api(tmp_path_factory.mktemp("locked"), **served.environment, api_key=KEY) as url:
        yield url


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer ö"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/v1/events", "/metrics", "/v1/jobs/job_1/events"])
def test_without_the_key_nothing_is_told(locked: str, header: str | None, path: str) -> None:
    headers = [] if header is None else [(b"authorization", header.encode())]
    answer = httpx.get(f"{locked}{path}", headers=headers)
    assert (answer.status_code, answer.json()["error_type"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY not in answer.text


def test_with_the_key_everything_works_and_health_asks_for_none(locked: str) -> None:
    assert httpx.get(f"{locked}/v1/jobs", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    assert httpx.get(f"{locked}/healthz").json()["status"] == "ok"


def test_without_keys_a_strange_name_is_refused(http: httpx.Client, locked: str) -> None:
    answer = http.get("/v1/jobs", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    named = {"authorization": f"Bearer {KEY}", "host": "api.example"}
    assert httpx.get(f"{locked}/v1/jobs", headers=named).status_code == 200


def test_a_bind_to_the_world_needs_a_key(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "omni_jobs.api", "--host", "0.0.0.0", "--port", "0"]
    keyless = served.environment | {"key_prefix": "keyless"}
    ended = subprocess.run(
        command, env=environment(keyless), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 78
    assert "OMNI_API_KEY" in ended.stderr


def test_a_redis_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    nowhere = {"redis_url": "redis://127.0.0.1:1/0", "data_dir": tmp_path}
    command = [sys.executable, "-m", "omni_jobs.api", "--port", "0"]
    ended = subprocess.run(
        command, env=environment(nowhere), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 69
    assert ended.stderr.startswith("error: Redis does not answer")
    assert ended.stderr.count("\n") == 1
