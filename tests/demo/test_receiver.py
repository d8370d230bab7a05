"""The demo's receiver believes genuine messages only, and each of them once."""

from __future__ import annotations

import json
import time

import httpx

from omni_jobs.demo.receiver import Receiver, receiving
from omni_jobs.webhooks import new_secret, sign

SECRET = new_secret()


def send(receiver: Receiver, message_id: str, kind: str, secret: str = SECRET, body: bytes | None = None) -> int:
    """Send a signed message, with another body than was signed if one is given; returns the answer's status."""
    genuine = json.dumps({"type": kind, "data": {"job_id": "job_1"}}).encode()
    headers = sign(message_id, int(time.time()), genuine, [secret])
    return httpx.post(receiver.url, content=body or genuine, headers=headers, trust_env=False).status_code


def test_genuine_messages_count_once_and_forged_ones_not_at_all() -> None:
    with receiving() as receiver:
        receiver.secret = SECRET
        assert send(receiver, "evt_1", "job.started") == 204
        assert not receiver.wait_for(["job_1"], 0)
        assert send(receiver, "evt_2", "job.succeeded", new_secret()) == 401
        assert send(receiver, "evt_2", "job.succeeded", body=b"{}") == 401
        assert not receiver.ended_jobs
        assert send(receiver, "evt_2", "job.succeeded") == send(receiver, "evt_2", "job.succeeded") == 204
        assert receiver.wait_for(["job_1"], 0)
        assert (len(receiver.messages), receiver.refused) == (2, 2)
