"""What is refused at the door leaves nothing behind; what is taken is written first and rung for second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omni_jobs import queue
from omni_jobs.costs import expected_seconds
from omni_jobs.errors import IdempotencyMismatch, IllegalMove, InvalidRequest, QueueFull, UnknownModel
from omni_jobs.names import model_queue
from omni_jobs.redis_server import free_port
from omni_jobs.schemas import JobRequest, Status
from omni_jobs.store import JobStore
from storage import ObjectStore
from tests.client.conftest import CARD, work

JOB: dict[str, Any] = {"model": "tiny", "prompt": "a hill"}


def doorbells(store: JobStore) -> int:
    return int(store.redis.llen(f"{store.keys.prefix}:{model_queue('tiny')}"))


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "tinny"}, "model", "Did you mean"),
    ({"prompt": " "}, "prompt", "empty"),
    ({"prompt": "x" * 40_000}, "prompt", "32000"),
    ({"seed": -1}, "seed", "greater than or equal to 0"),
    ({"seed": 2**53}, "seed", "less than or equal"),
    ({"num_outputs": 0}, "num_outputs", "greater than"),
    ({"priority": 10}, "priority", "less than or equal"),
    ({"steps": 3}, "steps", "not a field"),
    ({"negativ_prompt": "x"}, "negativ_prompt", "Did you mean `negative_prompt`"),
    ({"parameters": {"num_inference_step": 3}}, "parameters.num_inference_step", "num_inference_steps"),
    ({"parameters": {"num_inference_steps": 10**6}}, "parameters.num_inference_steps", "maximum"),
    ({"parameters": {"width": 17}}, "parameters.width", "multiple"),
    ({"parameters": {"width": "64"}}, "parameters.width", "integer"),
    ({"parameters": {"width": float("nan")}}, "parameters.width", ""),
    ({"task": "edit"}, "images", "at least one"),
    ({"task": "edit", "images": ["upl_none"]}, "images.0", "no upload"),
    ({"task": "edit", "images": ["a", "b", "c"]}, "images", "at most 2"),
    ({"task": "edit", "images": ["../etc/passwd"]}, "images.0", "no upload"),
    ({"deadline": "2020-01-01T00:00:00Z"}, "deadline", "passed"),
    ({"webhook": {"url": "nothing"}}, "webhook.url", "URL"),
    ({"webhook": {"url": "https://ann:pw@a.example/"}}, "webhook.url", "user or password"),
    ({"copies": [{"url": "https://ann:pw@a.example/"}]}, "copies.0.url", "user or password"),
    *(
        ({"copies": [{"url": "https://a.example/k", "headers": {name: value}}]}, f"copies.0.headers.{name}", words)
        for name, value, words in (
            ("Content-Length", "3", "header of ours"),
            ("transfer-encoding", "chunked", "header of ours"),
            ("Connection", "close", "header of ours"),
            ("Host", "b.example", "not the URL's host"),
        )
    ),
    ({"metadata": {"a": 3}}, "metadata.a", "string"),
    ({"output": {"formt": "png"}}, "output.formt", "format"),
]


@pytest.mark.parametrize(
    ("change", "field", "words"), BAD, ids=[f"{field}-{n}" for n, (_, field, _) in enumerate(BAD)]
)
def test_bad_jobs_are_refused_by_name_and_leave_no_trace(
    deployed: JobStore, change: dict[str, Any], field: str, words: str
) -> None:
    before = sorted(deployed.redis.keys(f"{deployed.keys.prefix}:*"))
    with pytest.raises(InvalidRequest) as refused:
        queue.submit(deployed, JOB | change)
    assert refused.value.field == field
    assert words in str(refused.value)
    assert sorted(deployed.redis.keys(f"{deployed.keys.prefix}:*")) == before


@pytest.mark.parametrize("body", [None, [], "job", 3])
def test_a_job_is_an_object(deployed: JobStore, body: Any) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        queue.submit(deployed, body)


def test_no_worker_has_said_anything_yet(store: JobStore) -> None:
    with pytest.raises(UnknownModel, match="start one"):
        queue.submit(store, JOB)


def test_a_job_is_written_rung_for_and_seeded(deployed: JobStore) -> None:
    job, is_new = queue.submit(deployed, JOB)
    assert (is_new, job.status, doorbells(deployed)) == (True, Status.QUEUED, 1)
    assert 0 <= job.seed < 2**53
    assert queue.submit(deployed, JOB | {"seed": 7})[0].seed == 7
    claim = deployed.claim_next("w", ["tiny"], lease_seconds=1)
    assert claim is not None
    assert claim.shape == "generate:64x64x-:0"


def test_a_held_job_is_not_rung_for(deployed: JobStore) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    queue.submit(deployed, JOB | {"not_before": later})
    assert doorbells(deployed) == 0


def test_the_same_body_under_a_key_is_one_job_however_it_is_written(deployed: JobStore) -> None:
    body = JOB | {"idempotency_key": "k", "metadata": {"a": "1", "b": "2"}, "priority": 5}
    again = {"metadata": {"b": "2", "a": "1"}, "idempotency_key": "k", "prompt": "a hill", "model": "tiny"}
    first, _ = queue.submit(deployed, body)
    second, is_new = queue.submit(deployed, again)
    assert (second.id, second.seed, is_new, doorbells(deployed)) == (first.id, first.seed, False, 1)
    with pytest.raises(IdempotencyMismatch):
        queue.submit(deployed, body | {"prompt": "a lake"})


def test_a_dead_doorbell_does_not_fail_the_submit(deployed: JobStore) -> None:
    deployed.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    job, is_new = queue.submit(deployed, JOB)
    assert is_new
    assert deployed.get("default", job.id).status is Status.QUEUED


def test_a_full_queue(deployed: JobStore) -> None:
    queue.submit(deployed, JOB, max_queued=1)
    with pytest.raises(QueueFull):
        queue.submit(deployed, JOB, max_queued=1)


def test_cancel_and_retry(deployed: JobStore, objects: ObjectStore) -> None:
    job, _ = queue.submit(deployed, JOB | {"idempotency_key": "k"})
    with pytest.raises(IllegalMove, match="only a finished job"):
        queue.retry(deployed, "default", job.id)
    assert queue.cancel(deployed, "default", job.id).status is Status.CANCELED
    assert queue.cancel(deployed, "default", job.id).status is Status.CANCELED
    again = queue.retry(deployed, "default", job.id)
    assert (again.retry_of, again.seed, again.request.prompt) == (job.id, job.seed, "a hill")
    assert work(deployed, objects).id == again.id
    with pytest.raises(IllegalMove, match="succeeded"):
        queue.cancel(deployed, "default", again.id)


def test_expected_seconds_follow_the_work() -> None:
    def cost(**fields: Any) -> float:
        return expected_seconds(JobRequest.model_validate(JOB | fields), CARD)

    assert cost(num_outputs=4) == pytest.approx(4 * cost())
    assert cost(parameters={"num_inference_steps": 8}) == pytest.approx(2 * cost())
    assert cost(parameters={"width": 128}) == pytest.approx(2 * cost())
