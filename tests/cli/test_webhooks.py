"""`webhooks`: what a receiver's author and an operator use, against a running service and its courier."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from omni_jobs.cli.context import read_service
from omni_jobs.client import Client
from omni_jobs.webhooks.signing import new_secret, sign
from tests.cli.conftest import COMMAND, Run, environment

BODY = b'{"type": "job.succeeded", "timestamp": "2026-01-31T12:00:00Z", "data": {"job_id": "job_1"}}'


@pytest.fixture
def listening(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A listener for one message, and its address."""
    command = [*COMMAND, "webhooks", "listen", "--port", "0", "--count", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(data), text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            found = re.search(r"http://\S+", process.stderr.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()


def test_a_listener_prints_what_is_genuine_and_refuses_the_rest(
    omni: Run, listening: tuple[subprocess.Popen[str], str]
) -> None:
    process, url = listening
    secret = omni("webhooks", "secret").stdout.strip()
    now = int(time.time())
    forged = sign("evt_1", now, BODY, [new_secret()])
    assert httpx.post(url, content=BODY, headers=forged).status_code == 401
    assert httpx.post(url, content=BODY, headers=sign("evt_1", now, BODY, [secret])).status_code == 204
    output, errors = process.communicate(timeout=30)
    assert output == "2026-01-31T12:00:00Z job.succeeded job_1\n"
    assert "No signature of the webhook matches" in errors
    assert process.returncode == 0


def test_a_message_from_a_log_is_checked(omni: Run, tmp_path: Path) -> None:
    body, secret = tmp_path / "body.json", new_secret()
    body.write_bytes(BODY)
    headers = sign("evt_1", 1_700_000_000, BODY, [secret])
    given = [f"--{name.removeprefix('webhook-')}={value}" for name, value in headers.items()]
    command = ["webhooks", "verify", str(body), "--secret", secret, *given]
    assert json.loads(omni(*command, "--any-age").stdout)["data"]["job_id"] == "job_1"
    old = omni(*command)
    assert old.returncode != 0
    assert "was sent" in old.stderr
    body.write_bytes(BODY.replace(b"job_1", b"job_2"))
    assert "No signature of the webhook matches" in omni(*command, "--any-age").stderr


def test_what_was_given_up_is_listed_and_sent_again(omni: Run, data: Path) -> None:
    refused = "http://127.0.0.1:9/hook"
    with Client(read_service(data)["redis_url"]) as client:
        client.wait(client.submit(model="sim", prompt="a fox", webhook={"url": refused}))
    given_up = ("webhooks", "log", "--state", "given_up", "--receiver", refused, "--json")
    listed: list[dict[str, Any]] = []
    for _ in range(200):
        listed = json.loads(omni(*given_up).stdout)
        if any(one["type"] == "job.succeeded" for one in listed):
            break
    (ended,) = (one for one in listed if one["type"] == "job.succeeded")
    assert ended["url"] == refused
    assert "may not be reached" in ended["attempts"][0]["error"]
    shown = omni("webhooks", "log", "--job", ended["job_id"]).stdout
    assert re.search(rf"{ended['id']} +job.succeeded +given_up +1 ", shown)
    assert omni("webhooks", "replay").returncode == 2
    assert omni("webhooks", "replay", "--all", "--type", "job.failed").stdout == ""
    assert omni("webhooks", "replay", "--since", "1h", "--until", "2000-01-01").stdout == ""
    sent = omni("webhooks", "replay", "--all", "--receiver", refused, "--type", "job.succeeded").stdout
    assert sent.split() == [ended["id"]]


def test_a_test_event_says_what_the_receiver_answered(omni: Run, data: Path) -> None:
    refused = "http://127.0.0.1:9/hook"
    service = read_service(data)["api_url"]
    made = httpx.post(f"{service}/v1/webhooks", json={"url": refused}).json()
    for name in (made["id"], refused):
        told = omni("webhooks", "test", name)
        assert told.returncode != 0
        assert "did not take the test event" in told.stderr
        assert "may not be reached" in told.stderr
    assert "no webhook endpoint" in omni("webhooks", "test", "whe_1").stderr
