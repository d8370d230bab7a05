"""Replicate's own client, unmodified: predictions run, watched, streamed, called off, and told by webhooks."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.webhook import Webhooks

from tests.faces.conftest import Service
from tests.faces.test_openai_images import middle, png, red_circle

#: Some seconds on the model `slow`: enough to look at it meanwhile.
LONG = 200


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    client = Client(api_token=service.key, base_url=service.url)
    client.poll_interval = 0.05
    yield client
    client._client.close()


def fetched(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).content))


def test_run_gives_links_to_pictures(client: Client) -> None:
    urls = client.run(
        "black-forest-labs/flux-schnell", input={"prompt": "a fox", "num_outputs": 2, "output_format": "webp"}
    )
    assert [fetched(url).format for url in urls] == ["WEBP", "WEBP"]


def test_run_of_a_version_and_an_edit_of_an_uploaded_file(client: Client) -> None:
    file = io.BytesIO(png(red_circle())[1])
    (url,) = client.run(
        "omni-jobs/shapes:shapes", input={"prompt": "make the circle blue", "image": file, "seed": 5}
    )
    assert middle(fetched(url))[2] > 150


def test_a_prediction_is_created_watched_and_seen_natively(client: Client, service: Service) -> None:
    prediction = client.predictions.create(version="sim", input={"prompt": "a fox", "num_inference_steps": 60})
    seen = set()
    while prediction.status not in ("succeeded", "failed", "canceled"):
        seen.add(prediction.status)
        prediction.reload()
    assert seen <= {"starting", "processing"}
    assert prediction.progress is not None
    assert (prediction.progress.current, prediction.progress.total) == (60, 60)
    assert prediction.metrics is not None
    assert prediction.metrics["predict_time"] > 0
    with service.http as http:
        assert http.get(f"/v1/jobs/{prediction.id}").json()["status"] == "succeeded"


def test_progress_is_in_the_log_lines(client: Client) -> None:
    prediction = client.predictions.create(version="slow", input={"prompt": "a fox", "num_inference_steps": LONG})
    while prediction.progress is None:
        prediction.reload()
    assert 0 <= prediction.progress.percentage < 1
    assert prediction.progress.total == LONG
    prediction.cancel()
    assert prediction.status == "canceled"
    prediction.cancel()


def test_whoever_waits_in_vain_is_told_starting(client: Client) -> None:
    """Any other status is taken for the end, and the caller would get nothing."""
    prediction = client.predictions.create(
        version="slow", input={"prompt": "a fox", "num_inference_steps": LONG}, wait=1
    )
    assert prediction.status == "starting"
    prediction.cancel()


def test_a_stream_has_logs_outputs_and_an_end(client: Client) -> None:
    events = list(client.stream("omni-jobs/sim", input={"prompt": "a fox", "num_inference_steps": 150}))
    kinds = [event.event.value for event in events]
    assert kinds[-2:] == ["output", "done"]
    assert set(kinds[:-2]) <= {"logs"}
    assert fetched(events[-2].data).format == "PNG"


def test_a_stream_needs_no_key_and_an_altered_link_is_refused(client: Client) -> None:
    prediction = client.predictions.create(version="sim", input={"prompt": "a fox"})
    assert prediction.urls is not None
    url = prediction.urls["stream"]
    assert httpx.get(url).text.rstrip().endswith("event: done\ndata: {}")
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403


def test_a_failure_is_an_error_of_the_model(client: Client) -> None:
    with pytest.raises(ModelError, match="raised as asked"):
        client.run("omni-jobs/sim", input={"prompt": "a fox that cannot be drawn"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": "x", "promt": "y"}, "promt"),
        ({"prompt": "x", "aspect_ratio": "1:1"}, "width"),
        ({"prompt": "x", "image": "https://example.com/a.png"}, "image"),
        ({}, "prompt"),
    ],
)
def test_a_refusal_says_what_is_wrong(client: Client, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ReplicateError) as told:
        client.predictions.create(version="sim", input=given)
    assert words in (told.value.detail or "")
    with pytest.raises(ReplicateError, match="There is no job"):
        client.predictions.get("job_00")


def test_pages(client: Client, service: Service) -> None:
    for _ in range(101):
        client.predictions.create(version="sim", input={"prompt": "a page"})
    page = client.predictions.list()
    assert page.next is not None
    following = client.predictions.list(page.next)
    ids = [one.id for one in (*page, *following)]
    assert len(ids) == len(set(ids)) > 100


def test_put_under_ones_own_id_twice_is_one_prediction(service: Service) -> None:
    body = {"version": "sim", "input": {"prompt": "a fox"}}
    with service.http as http:
        first, again = (http.put("/predictions/order-17", json=body).json() for _ in range(2))
        assert first["id"] == again["id"] == "order-17"
        assert first["created_at"] == again["created_at"]
        assert http.get("/v1/predictions/order-17").json()["input"]["seed"] == first["input"]["seed"]
        assert http.put("/predictions/order-18", json=body | {"id": "order-17"}).status_code == 400
        assert http.get("/health-check").json()["status"] == "READY"


def test_webhooks_carry_the_prediction_and_verify_by_its_own_check(client: Client, service: Service) -> None:
    received: list[dict[str, Any]] = []
    is_done = threading.Event()
    secret = client.webhooks.default.secret()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            Webhooks.validate(headers=headers, body=body.decode(), secret=secret)
            self.send_response(204)
            self.end_headers()
            received.append(httpx.Response(200, content=body).json())
            if received[-1]["completed_at"]:
                is_done.set()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", service.hook_port), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        prediction = client.predictions.create(
            version="sim",
            input={"prompt": "a fox", "num_inference_steps": 100},
            webhook=f"http://127.0.0.1:{service.hook_port}/",
            webhook_events_filter=["start", "completed"],
        )
        assert is_done.wait(60)
        server.shutdown()
    assert {one["id"] for one in received} == {prediction.id}
    assert sorted(one["status"] for one in received) == ["processing", "succeeded"]
    (last,) = [one for one in received if one["status"] == "succeeded"]
    assert fetched(last["output"][0]).format == "PNG"
