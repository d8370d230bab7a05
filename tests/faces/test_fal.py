"""fal's own client, unmodified, in a process of its own: it reads its hosts at import, and speaks only TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.faces.conftest import Service
from tests.servers.tls_front import tls_front
from tests.webhooks.receiver import Receiver, receiving

SCRIPT = """
import json, os, sys
import fal_client, httpx
from httpx_sse import connect_sse

def told(make):
    try:
        return make()
    except fal_client.FalClientHTTPError as error:
        return {"status_code": error.status_code, "error_type": error.error_type, "message": str(error)}

seen = []
picture = fal_client.subscribe(
    "fal-ai/flux/dev", {"prompt": "a fox", "seed": 7, "num_images": 2, "image_size": {"width": 64, "height": 64}},
    on_queue_update=lambda status: seen.append(type(status).__name__), with_logs=True,
)
shown = httpx.get(picture["images"][1]["url"])
slow = fal_client.submit("omni/slow", {"prompt": "a fox", "num_inference_steps": 200}, priority="low")
logs = []
for status in slow.iter_events(with_logs=True):
    logs += getattr(status, "logs", None) or []
    if logs:
        slow.cancel()
        break
ended = slow.status()
hook = os.environ["HOOK"]
hooked = fal_client.submit("omni/sim", {"prompt": "a fox", "seed": 7}, webhook_url=hook)
failed = fal_client.submit("omni/sim", {"prompt": "a fox that cannot be drawn"}, webhook_url=hook)
for status in failed.iter_events():
    last = status
watched = fal_client.submit("omni/slow", {"prompt": "a fox", "num_inference_steps": 40})
client, address = fal_client.sync_client._client, watched.status_url + "/stream"
with connect_sse(client, "GET", address, params={"logs": 1}) as source:
    # Read as the client reads each status: what it cannot parse is an error here.
    streamed = [watched._parse_status(json.loads(event.data)) for event in source.iter_sse()]
print(json.dumps({
    "hooked": hooked.request_id, "hook_failed": failed.request_id,
    "streamed": [type(one).__name__ for one in streamed],
    "streamed_logs": [line["message"] for one in streamed for line in getattr(one, "logs", None) or []],
    "streamed_again": httpx.get(address).status_code,
    "picture": picture, "seen": seen, "content_type": shown.headers["content-type"],
    "log": logs[0]["message"], "ended": [type(ended).__name__, ended.error_type],
    "low": slow.request_id, "cancel_again": told(slow.cancel),
    "failed": [type(last).__name__, last.error_type, last.error], "result": told(failed.get),
    "run": told(lambda: fal_client.run("omni/shapes", {"prompt": "a red circle on white"})),
    "stream": list(fal_client.stream("omni/sim", {"prompt": "a fox", "num_inference_steps": 100})),
    "refused": told(lambda: fal_client.submit("omni/sim", {"prompt": "x", "image_size": "sqare"})),
    "unknown": told(lambda: fal_client.submit("omni/nothing", {"prompt": "x"})),
    "lost": told(lambda: fal_client.cancel("omni/sim", "job_00")),
}))
"""


@pytest.fixture(scope="module")
def hooks(service: Service) -> Iterator[Receiver]:
    """A receiver of webhooks that checks their signatures."""
    with service.http as http:
        secret = http.get("/v1/webhooks/default/secret").json()["key"]
    with receiving(secret=secret, port=service.hook_port) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def told(service: Service, hooks: Receiver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client told of everything that the script asked of it."""
    folder: Path = tmp_path_factory.mktemp("fal")
    with tls_front(urlsplit(service.url).port or 0, folder) as (port, certificate):
        environment = os.environ | {
            "FAL_KEY": service.key,
            "FAL_RUN_HOST": f"127.0.0.1:{port}/fal/run",
            "FAL_QUEUE_RUN_HOST": f"127.0.0.1:{port}/fal/queue",
            "SSL_CERT_FILE": str(certificate),
            "HOOK": hooks.url,
        }
        command = [sys.executable, "-c", SCRIPT]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_a_request_is_submitted_watched_and_its_pictures_fetched(told: dict[str, Any]) -> None:
    assert [one["seed"] for one in told["picture"]["images"]] == [7, 8]
    assert (told["picture"]["images"][0]["width"], told["content_type"]) == (64, "image/png")
    assert told["seen"][-1] == "Completed"
    assert set(told["seen"]) <= {"Queued", "InProgress", "Completed"}


def test_a_running_request_logs_its_progress_and_is_called_off(told: dict[str, Any], service: Service) -> None:
    assert told["log"].endswith("/200")
    assert told["ended"] == ["Completed", "canceled"]
    assert told["cancel_again"] == {} or told["cancel_again"] is None
    with service.http as http:
        job = http.get(f"/v1/jobs/{told['low']}").json()
    assert (job["status"], job["request"]["priority"]) == ("canceled", 2)


def test_a_failure_is_completed_with_an_error(told: dict[str, Any]) -> None:
    kind, error_type, error = told["failed"]
    assert (kind, error_type) == ("Completed", "execution_failed")
    assert "raised as asked" in error
    assert (told["result"]["status_code"], told["result"]["error_type"]) == (500, "execution_failed")


def test_run_and_stream_answer_at_once(told: dict[str, Any]) -> None:
    assert told["run"]["images"][0]["content_type"] == "image/png"
    assert told["stream"][-1]["images"][0]["url"].startswith("https://")
    assert all("progress" in event for event in told["stream"][:-1])


def test_refusals_say_what_is_wrong(told: dict[str, Any]) -> None:
    assert "Did you mean `square`?" in told["refused"]["message"]
    assert (told["unknown"]["status_code"], told["unknown"]["error_type"]) == (404, "model_not_found")
    assert told["lost"]["status_code"] == 404


def test_the_stream_of_statuses_ends_with_the_end_and_needs_the_key(told: dict[str, Any]) -> None:
    kinds = told["streamed"]
    assert kinds[-1] == "Completed"
    assert "InProgress" in kinds
    assert kinds == sorted(kinds, key=["Queued", "InProgress", "Completed"].index)
    assert told["streamed_logs"]
    assert all(line.endswith("/40") for line in told["streamed_logs"])
    assert told["streamed_again"] == 401


def test_a_webhook_tells_the_end_once_with_what_a_result_holds(told: dict[str, Any], hooks: Receiver) -> None:
    hooks.until(lambda: len(hooks.accepted) == 2)
    bodies = {body["request_id"]: body for body in hooks.accepted.values()}
    made, failed = bodies[told["hooked"]], bodies[told["hook_failed"]]
    assert (made["status"], made["error"], made["gateway_request_id"]) == ("OK", None, told["hooked"])
    assert made["payload"]["images"][0]["seed"] == 7
    assert httpx.get(made["payload"]["images"][0]["url"]).headers["content-type"] == "image/png"
    assert failed["status"] == "ERROR"
    assert "raised as asked" in failed["error"]
    assert failed["payload"]["error_type"] == "execution_failed"
    assert all(request.headers["webhook-id"].startswith("evt_") for request in hooks.requests)
