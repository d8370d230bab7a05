"""The receiver in Node, as it stands among the examples: told by a real courier, and by messages of all kinds."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from omni_jobs.webhooks import new_secret, sign
from tests.servers.scripted import Answer
from tests.webhooks.receiver import Receiver
from tests.webhooks.test_courier import EVENTS, Office, office

__all__ = ["office"]
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")
SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "webhooks" / "receiver.mjs"
BODY = (
    '{"type": "job.succeeded", "data": {"job_id": "job_1", "sequence": 4, "job": {}}, "note": "größer"}'.encode()
)


@contextmanager
def listening(secret: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example on a free port, and its address."""
    command = ["node", str(SCRIPT), "0"]
    with subprocess.Popen(
        command, env={"WEBHOOK_SECRET": secret}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://\S+", process.stderr.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it printed until it was ended: lines, and its errors."""
    process.terminate()
    output, errors = process.communicate(timeout=30)
    return output.splitlines(), errors


def test_only_genuine_and_fresh_messages_are_taken_each_once() -> None:
    secret, older, now = new_secret(), new_secret(), int(time.time())
    genuine = sign("evt_1", now, BODY, [secret])
    rotating = sign("evt_2", now, BODY, [older, secret])
    refused = {
        "forged": sign("evt_3", now, BODY, [older]),
        "another body's": sign("evt_4", now, BODY + b" ", [secret]),
        "old": sign("evt_5", now - 400, BODY, [secret]),
        "headless": {"webhook-id": "evt_6", "webhook-timestamp": str(now)},
        "nameless": {},
        "another id's": genuine | {"webhook-id": "evt_7"},
    }
    with listening(secret) as (process, url):
        for headers in (genuine, rotating, genuine):
            assert httpx.post(url, content=BODY, headers=headers).status_code == 204
        for name, headers in refused.items():
            assert httpx.post(url, content=BODY, headers=headers).status_code == 401, name
        lines, errors = said(process)
    assert lines == ["job_1 job.succeeded 4 "] * 2
    assert errors.count("refused:") == len(refused)


def test_the_courier_and_it_understand_each_other(office: Office) -> None:
    with listening(office.secret) as (process, url):
        there = Receiver(lambda _: Answer(204), url=url)
        job = office.run_job(there)
        with office.courier(there):
            there.until(lambda: office.store.stats()["deliveries"] == 0)
        lines, errors = said(process)
    assert errors == ""
    assert sorted(lines) == sorted(f"{job.id} {event} {number} " for number, event in enumerate(EVENTS, 1))
