"""The life of one job: what each move writes, what is refused, and what the next attempt gets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omni_jobs.errors import IdempotencyMismatch, IllegalMove, InvalidRequest, NotFound, QueueFull, Superseded
from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, EventType, JobError, JobRequest, Phase, Progress, Sharing, Status
from omni_jobs.store import Claim, JobStore
from omni_jobs.store.codec import moment
from tests.store.conftest import START_MS, create, pass_time


def claimed(store: JobStore, worker: str = "w", alone: bool = False) -> Claim:
    found = store.claim_next(worker, ["tiny"], lease_seconds=10, alone=alone)
    assert found is not None
    return found


def artifact(job_id: str, attempt: int) -> Artifact:
    return Artifact(
        id=artifact_id(job_id, 0),
        index=0,
        key=f"{job_id}/{attempt}/0.png",
        content_type="image/png",
        size_bytes=3,
        sha256="0" * 64,
        seed=1,
        width=8,
        height=8,
    )


def test_a_request_comes_back_as_it_was_given(any_store: JobStore) -> None:
    given = {
        "task": "edit",
        "model": "org/name:v1",
        "prompt": 'a "quoted" \\ hill\n \U0001f3d4',
        "images": ["upl_1"],
        "parameters": {"width": 64, "guidance_scale": 3.5, "nested": {"a": [1, None, True]}},
        "seed": 2**53 - 1,
        "webhook": {"url": "https://example.org/h?a=1&b=2", "events": ["job.failed"]},
        "metadata": {"k": "v"},
        "tags": ["t"],
        "deadline": "2030-01-01T00:00:00Z",
    }
    request = JobRequest.model_validate(given)
    job, _ = any_store.create(request, account="a", seed=2**53 - 1, fingerprint="f")
    read = any_store.get("a", job.id)
    assert read.request == request
    assert (read.seed, read.created_at) == (2**53 - 1, moment(START_MS))
    claim = any_store.claim_next("w", ["org/name:v1"], lease_seconds=1)
    assert claim is not None
    assert (claim.request, claim.seed) == (request, 2**53 - 1)


def test_a_job_from_queue_to_artifact(any_store: JobStore) -> None:
    job = create(any_store)
    pass_time(any_store, 1)
    claim = claimed(any_store)
    progress = Progress(phase=Phase.DENOISE, step=2, steps=4, percent=50.0)
    assert any_store.note_progress("default", job.id, claim.attempt, progress, b"\x00\xffpreview")
    running = any_store.get("default", job.id)
    assert (running.status, running.worker, running.progress) == (Status.RUNNING, "w", progress)
    assert any_store.preview("default", job.id) == b"\x00\xffpreview"
    ended = any_store.move(
        "default",
        job.id,
        Status.SUCCEEDED,
        attempt=claim.attempt,
        artifacts=[artifact(job.id, 1)],
        sharing=Sharing(calls=4, shared_calls=2, forwards=3.0, max_batch=2, device_seconds=1.5),
        timings={"denoise": 1.25},
    )
    assert ended == any_store.get("default", job.id)
    assert (ended.status, ended.artifacts, ended.timings) == (
        Status.SUCCEEDED,
        (artifact(job.id, 1),),
        {"denoise": 1.25},
    )
    assert ended.progress is None
    events = any_store.events("default", job.id)
    assert [event.type for event in events] == [
        EventType.QUEUED,
        EventType.STARTED,
        EventType.OUTPUT,
        EventType.SUCCEEDED,
    ]
    assert events[2].data["artifact"]["key"] == f"{job.id}/1/0.png"
    assert any_store.events("default", job.id, after=3) == events[3:]
    assert any_store.find_input("default", artifact_id(job.id, 0)).key == f"{job.id}/1/0.png"


def test_outputs_of_a_superseded_attempt_stay_invisible(any_store: JobStore) -> None:
    job = create(any_store)
    slow = claimed(any_store, "slow")
    pass_time(any_store, 11)
    assert any_store.reconcile().released == 1
    fast = claimed(any_store, "fast")
    assert fast.attempt == slow.attempt + 1
    assert any_store.renew("slow", [("default", job.id, slow.attempt)], 10) == {slow.ref}
    for to in (Status.SUCCEEDED, Status.FAILED, Status.QUEUED):
        with pytest.raises(Superseded):
            any_store.move("default", job.id, to, attempt=slow.attempt, artifacts=[artifact(job.id, 1)])
    assert not any_store.note_checkpoint("default", job.id, slow.attempt, {"step": 1})
    done = [artifact(job.id, 2)]
    ended = any_store.move("default", job.id, Status.SUCCEEDED, attempt=fast.attempt, artifacts=done)
    assert [one.key for one in ended.artifacts] == [f"{job.id}/2/0.png"]


def test_the_next_attempt_gets_the_checkpoint(any_store: JobStore) -> None:
    job = create(any_store)
    first = claimed(any_store)
    assert any_store.note_checkpoint("default", job.id, first.attempt, {"key": "c/1", "step": 7})
    any_store.move("default", job.id, Status.QUEUED, attempt=1, count_attempt=False, reason="drain")
    second = claimed(any_store)
    assert (second.checkpoint, second.attempt, second.spent) == ({"key": "c/1", "step": 7}, 2, 1)
    reason = [event.data.get("reason") for event in any_store.events("default", job.id)]
    assert reason == [None, None, "drain", None]


def test_a_job_says_once_from_where_each_output_of_an_attempt_went_on(any_store: JobStore) -> None:
    job = create(any_store)
    first = claimed(any_store)
    for _ in range(2):  # the answer to the first was lost
        assert any_store.note_resumed("default", job.id, first.attempt, {"output": 0, "step": 7})
        assert any_store.note_resumed("default", job.id, first.attempt, {"output": 1, "step": 0, "refused": "old"})
    assert not any_store.note_resumed("default", job.id, first.attempt + 1, {"output": 0, "step": 8})
    told = [event for event in any_store.events("default", job.id) if event.type is EventType.RESUMED]
    assert [event.data for event in told] == [
        {"attempt": 1, "output": 0, "step": 7},
        {"attempt": 1, "output": 1, "step": 0, "refused": "old"},
    ]
    any_store.move("default", job.id, Status.QUEUED, attempt=first.attempt)
    second = claimed(any_store)
    assert any_store.note_resumed("default", job.id, second.attempt, {"output": 0, "step": 9})
    assert any_store.get("default", job.id).sequence == len(any_store.events("default", job.id)) == 7


def test_attempts_run_out(any_store: JobStore) -> None:
    job = create(any_store, max_attempts=2)
    error = JobError(code="out_of_memory", message="the device is full.")
    claimed(any_store)
    any_store.move("default", job.id, Status.QUEUED, attempt=1, error=error, reason="failed")
    assert any_store.get("default", job.id).error is None
    claimed(any_store)
    ended = any_store.move("default", job.id, Status.QUEUED, attempt=2, error=error, reason="failed")
    assert ended.status is Status.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.attempt, ended.error.worker) == ("attempts_exhausted", 2, "w")
    assert "the device is full." in ended.error.message


def test_a_job_that_kills_its_device_is_poisoned(any_store: JobStore) -> None:
    job = create(any_store, max_attempts=3)
    for attempt in (1, 2, 3):
        claimed(any_store, alone=True)
        last = any_store.move("default", job.id, Status.QUEUED, attempt=attempt, crashed=True, reason="crash")
    assert last.status is Status.FAILED
    assert last.error is not None
    assert last.error.code == "poisoned"


def test_a_claim_that_is_sent_again_does_not_give_the_next_attempt_to_a_second_slot(any_store: JobStore) -> None:
    """Its answer was lost for longer than the lease, and another slot of the worker has claimed the job since."""
    job = create(any_store)
    asked = {"worker": "w", "models": ["tiny"], "lease_ms": 10_000, "min_priority": 0, "shapes": [], "nonce": "n"}
    assert any_store.scripts.run("claim_next", asked)[0] == b"claim"
    assert any_store.scripts.run("claim_next", asked)[0] == b"claim", "sent again at once it is the same claim"
    any_store.move("default", job.id, Status.QUEUED, attempt=1, reason="lease lost")
    assert claimed(any_store).attempt == 2
    assert any_store.scripts.run("claim_next", asked) == [b"none"]


def test_a_finished_job_never_moves_again(any_store: JobStore) -> None:
    job = create(any_store)
    any_store.move("default", job.id, Status.CANCELED)
    for to in (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.EXPIRED):
        with pytest.raises(IllegalMove, match="canceled"):
            any_store.move("default", job.id, to)
    assert any_store.claim_next("w", ["tiny"], lease_seconds=1) is None


def test_cancel_of_a_running_job_fences_its_worker(any_store: JobStore) -> None:
    job = create(any_store)
    claim = claimed(any_store)
    any_store.move("default", job.id, Status.CANCELED)
    assert any_store.renew("w", [("default", job.id, claim.attempt)], 10) == {claim.ref}
    with pytest.raises(Superseded):
        any_store.move("default", job.id, Status.SUCCEEDED, attempt=claim.attempt)


def test_idempotency(any_store: JobStore) -> None:
    request = JobRequest(model="tiny", prompt="x", idempotency_key="k")
    first, is_new = any_store.create(request, account="a", seed=1, fingerprint="one")
    again, is_new_again = any_store.create(request, account="a", seed=2, fingerprint="one")
    assert (is_new, is_new_again, again) == (True, False, first)
    with pytest.raises(IdempotencyMismatch, match=first.id):
        any_store.create(request, account="a", seed=1, fingerprint="two")
    other, is_new_elsewhere = any_store.create(request, account="b", seed=1, fingerprint="two")
    assert is_new_elsewhere
    assert other.id != first.id


def test_admission_limit(any_store: JobStore) -> None:
    request = JobRequest(model="tiny", prompt="x")
    for _ in range(2):
        any_store.create(request, account="a", seed=1, fingerprint="f", max_queued=2)
    with pytest.raises(QueueFull):
        any_store.create(request, account="a", seed=1, fingerprint="f", max_queued=2)
    assert len(any_store.list("a")[0]) == 2


def test_held_until_not_before(any_store: JobStore) -> None:
    job = create(any_store, not_before=moment(START_MS + 60_000).isoformat())
    assert any_store.claim_next("w", ["tiny"], lease_seconds=1) is None
    waiting = any_store.waiting("default", job.id)
    assert waiting is not None
    assert waiting.reason == "held until 2027-01-15T08:01:00+00:00"
    pass_time(any_store, 60)
    assert claimed(any_store).job_id == job.id


def test_deadlines(any_store: JobStore) -> None:
    deadline = moment(START_MS) + timedelta(seconds=30)
    never_begun = create(any_store, deadline=deadline.isoformat())
    begun = create(any_store, priority=9, deadline=deadline.isoformat())
    handed_back = create(any_store, priority=8, deadline=deadline.isoformat())
    assert [claimed(any_store).job_id for _ in range(2)] == [begun.id, handed_back.id]
    any_store.move("default", handed_back.id, Status.QUEUED, attempt=1)
    pass_time(any_store, 31)
    assert any_store.claim_next("w", ["tiny"], lease_seconds=1) is None
    assert any_store.get("default", never_begun.id).status is Status.EXPIRED
    late = any_store.get("default", handed_back.id)
    assert late.error is not None
    assert (late.status, late.error.code) == (Status.FAILED, "deadline_exceeded")
    any_store.renew("w", [("default", begun.id, 1)], 60)
    any_store.reconcile()
    assert any_store.get("default", begun.id).status is Status.RUNNING
    pass_time(any_store, 5)
    any_store.reconcile()
    assert any_store.get("default", begun.id).status is Status.FAILED


def test_records_of_a_later_version_are_left_alone(any_store: JobStore) -> None:
    newer, ours = create(any_store), create(any_store)
    any_store.redis.hset(any_store.keys("job", "default", newer.id), "v", 99)
    assert claimed(any_store).job_id == ours.id
    assert any_store.claim_next("w", ["tiny"], lease_seconds=1) is None
    with pytest.raises(IllegalMove, match="later version"):
        any_store.move("default", newer.id, Status.CANCELED)
    assert any_store.get("default", newer.id).status is Status.QUEUED


def test_what_is_not_there(any_store: JobStore) -> None:
    for ask in (
        lambda: any_store.get("default", "job_none"),
        lambda: any_store.events("default", "job_none"),
        lambda: any_store.waiting("default", "job_none"),
        lambda: any_store.move("default", "job_none", Status.CANCELED),
        lambda: any_store.upload("default", "upl_none"),
        lambda: any_store.find_input("default", "art_0_0"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_accounts_do_not_see_each_other(any_store: JobStore) -> None:
    job = create(any_store, account="a")
    with pytest.raises(NotFound):
        any_store.get("b", job.id)
    with pytest.raises(NotFound):
        any_store.move("b", job.id, Status.CANCELED)
    assert any_store.list("b") == ([], None)
    with pytest.raises(InvalidRequest, match="account"):
        create(any_store, account="a:b")
