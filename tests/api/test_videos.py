"""OpenAI's own client and its videos: made, polled as we ask, fetched, deleted. The test plays the worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from openai.types import Video

from omni_jobs.api.openai.video_shapes import POLL_MS, job_of, poll_after_ms
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import JobError, ModelCard, Phase, Progress, Status
from omni_jobs.store import Claim
from tests.api.conftest import Served, card, picture

# The client calls its own video methods deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CLIPS = "clips"
PROPERTIES = {"num_frames": {"type": "integer"}, "width": {"type": "integer"}, "height": {"type": "integer"}}


def clips_card() -> ModelCard:
    schema = {"type": "object", "properties": PROPERTIES, "additionalProperties": False}
    changes = {"media": "video", "parameters_schema": schema, "defaults": {"frame_rate": 12}}
    return card(CLIPS).model_copy(update=changes)


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    served.store.publish_card(clips_card())
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def claim(served: Served, job_id: str) -> Claim:
    while True:
        found = served.store.claim_next("tester", [CLIPS], lease_seconds=60)
        assert found is not None
        if found.job_id == job_id:
            return found


def test_a_video_is_made_polled_fetched_and_deleted(client: OpenAI, served: Served) -> None:
    done: list[Video] = []
    size: Any = "64x32"
    made = client.videos.create(model=CLIPS, prompt="a running fox", size=size, seconds="4")
    assert (made.status, made.progress, made.size, made.seconds) == ("queued", 0, "64x32", "4")
    attempt = claim(served, made.id)
    assert attempt.request.parameters == {"width": 64, "height": 32, "num_frames": 49}
    served.store.note_progress(
        "default",
        made.id,
        attempt.attempt,
        Progress(phase=Phase.DENOISE, step=1, steps=2, percent=50, eta_seconds=3),
    )
    looked = client.videos.with_raw_response.retrieve(made.id)
    assert (looked.parse().status, looked.parse().progress) == ("in_progress", 50)
    assert looked.headers["openai-poll-after-ms"] == "300"
    poller = threading.Thread(target=lambda: done.append(client.videos.poll(made.id)))
    poller.start()
    served.succeed(attempt, picture())
    poller.join(30)
    assert (done[0].status, done[0].progress) == ("completed", 100)
    assert client.videos.download_content(made.id).read() == picture()
    assert made.id in [video.id for video in client.videos.list(limit=1)]
    assert client.videos.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(made.id)


def test_a_video_from_a_picture(client: OpenAI, served: Served) -> None:
    made = client.videos.create(model=CLIPS, prompt="it runs", input_reference=("a.png", picture(), "image/png"))
    job = served.store.get("default", made.id)
    assert job.request.task == "edit"
    assert served.store.upload("default", job.request.images[0]).width == 8
    with pytest.raises(openai.NotFoundError, match="not finished"):
        client.videos.download_content(made.id)


def test_a_video_that_failed_says_why(client: OpenAI, served: Served) -> None:
    made = client.videos.create(model=CLIPS, prompt="a fox")
    attempt = claim(served, made.id)
    error = JobError(code="out_of_memory", message="It does not fit.")
    served.store.move("default", made.id, Status.FAILED, attempt=attempt.attempt, error=error)
    failed = client.videos.poll(made.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "out_of_memory"


@given(st.one_of(st.none(), st.floats(0, 10**6)))
def test_clients_are_never_asked_to_poll_too_often_or_too_late(eta: float | None) -> None:
    assert POLL_MS[0] <= poll_after_ms(eta) <= POLL_MS[1]


@pytest.mark.parametrize("seconds", ["0", "-4", "long", "nan", 9999])
def test_a_length_that_is_none_is_refused(seconds: object) -> None:
    with pytest.raises(InvalidRequest, match="seconds"):
        job_of({"prompt": "x", "seconds": seconds}, clips_card())
