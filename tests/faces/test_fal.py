"""fal's own client, unmodified, in a process of its own: it reads its hosts at import, and speaks only TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faces.conftest import Service
from tests.servers.tls_front import tls_front

SCRIPT = """
import json, sys
import fal_client, httpx

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
failed = fal_client.submit("omni/sim", {"prompt": "a fox that cannot be drawn"})
for status in failed.iter_events():
    last = status
print(json.dumps({
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
def told(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client told of everything that the script asked of it."""
    folder: Path = tmp_path_factory.mktemp("fal")
    with tls_front(urlsplit(service.url).port or 0, folder) as (port, certificate):
        environment = os.environ | {
            "FAL_KEY": service.key,
            "FAL_RUN_HOST": f"127.0.0.1:{port}/fal/run",
            "FAL_QUEUE_RUN_HOST": f"127.0.0.1:{port}/fal/queue",
            "SSL_CERT_FILE": str(certificate),
        }
        command = [sys.executable, "-c", SCRIPT]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


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
