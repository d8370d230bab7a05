"""The runner of batches in this process: a batch that cannot be worked on is given up, and stops no other."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omni_jobs.api.faces.files import add_file, list_files
from omni_jobs.api.jobs import submit_one
from omni_jobs.api.openai import batch_results, batch_runner, batch_work
from omni_jobs.api.openai.batch_lines import job_id_of
from omni_jobs.api.openai.batch_runner import MAX_FAULTS, PAUSES_SECONDS, BatchRunner, is_outage, pause_seconds
from omni_jobs.api.service import Service
from omni_jobs.errors import QueueUnavailable, QuotaExceeded, StorageUnavailable, Superseded
from omni_jobs.names import new_id
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Status
from omni_jobs.schemas.batches import Batch, BatchStatus
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from omni_jobs.store.batches import MAX_OPEN_BATCHES
from storage import LocalStore
from tests.api.conftest import MODEL, card
from tests.api.test_batch_takeover import ENDPOINT, until


@pytest.fixture
def service(redis_server: RedisServer, tmp_path: Path) -> Iterator[Service]:
    settings = Settings(
        redis_url=redis_server.url, key_prefix=f"t{secrets.token_hex(6)}", storage_url=str(tmp_path / "objects")
    )
    store = connect(settings)
    store.publish_card(card())
    yield Service(settings, store, LocalStore(tmp_path / "objects"))
    store.close()


def added(
    service: Service, *prompts: str, key_id: str | None = None, endpoint: str = ENDPOINT, **fields: Any
) -> Batch:
    """A new batch with a line for each prompt, blank for an empty one."""
    body = {"model": MODEL, **fields}
    rows: list[dict[str, Any]] = [
        {"custom_id": str(n), "method": "POST", "url": endpoint, "body": {**body, "prompt": prompt}}
        for n, prompt in enumerate(prompts)
    ]
    path = Path(service.settings.storage_url).with_name(f"{secrets.token_hex(4)}.jsonl")
    path.write_text("".join(f"{json.dumps(row) if row['body']['prompt'] else ''}\n" for row in rows))
    file = add_file(service, "default", path, purpose="batch", filename="lines.jsonl")
    now = datetime.now(UTC)
    batch = Batch(
        id=new_id("batch"), account="default", key_id=key_id, endpoint=endpoint, input_file_id=file.id,
        base="http://here", created_at=now, expires_at=now + timedelta(hours=1), output_life_seconds=3600,
    )  # fmt: skip
    service.store.add_batch(batch)
    return batch


@pytest.fixture
def runner(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchRunner]:
    monkeypatch.setattr(batch_runner, "PAUSES_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(batch_runner, "IDLE_SECONDS", 0.02)
    loop = asyncio.new_event_loop()
    runner = BatchRunner(service, loop)
    yield runner
    runner.stop()
    loop.close()


def now_of(service: Service, batch: Batch) -> Batch:
    return service.store.batch(batch.account, batch.id)


def test_a_batch_that_meets_errors_again_and_again_fails_with_the_reason_and_stops_no_other(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def submit(account: str, asked: Service, request: Any, job_id: str) -> Any:
        if request.prompt == "poison":
            tries.append(job_id)
            raise ZeroDivisionError("secret/path")
        return submit_one(account, asked, request, job_id)

    monkeypatch.setattr(batch_work, "submit_one", submit)
    broken, sound = added(service, "fox", "poison", "hen"), added(service, "owl")
    runner.start()
    until(lambda: now_of(service, broken).status is BatchStatus.FAILED)
    until(lambda: service.store.get("default", job_id_of(broken, 1)).status is Status.CANCELED)
    assert len(tries) == MAX_FAULTS
    (problem,) = now_of(service, broken).errors
    assert (problem.code, "ZeroDivisionError" in problem.message) == ("internal_error", True)
    assert "secret" not in problem.message
    assert service.store.get("default", job_id_of(sound, 1)).status is Status.QUEUED


def test_a_batchs_jobs_count_for_its_key_and_a_full_queue_only_makes_it_wait(
    service: Service, runner: BatchRunner
) -> None:
    key, _ = service.store.issue_key("default")
    batch = added(service, "fox", "hen", key_id=key.id)
    service.store.set_limits("default", {"queued_jobs": 1})
    runner.start()
    until(lambda: service.store.statuses("default", [job_id_of(batch, 1)]) == ["queued"])
    service.store.move("default", job_id_of(batch, 1), Status.CANCELED)
    until(lambda: service.store.statuses("default", [job_id_of(batch, 2)]) == ["queued"])
    assert now_of(service, batch).status is BatchStatus.IN_PROGRESS
    assert service.store.usage(service.store.owner_of(key.id))[0].jobs == 2


def test_a_batch_whose_input_is_lost_fails_and_calls_all_its_jobs_off(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = added(service, "fox", "hen", "", "owl")
    ids = [job_id_of(batch, number) for number in (1, 2, 4)]
    real, broken = batch_work.BatchWork._look, [False]

    def look(work: batch_work.BatchWork) -> None:
        if broken[0]:
            raise QueueUnavailable("away")
        real(work)

    monkeypatch.setattr(batch_work.BatchWork, "_look", look)
    runner.start()
    until(lambda: service.store.statuses("default", ids) == ["queued"] * 3)
    service.store.forget_file("default", batch.input_file_id)
    broken[0] = True  # the work begins anew
    until(lambda: now_of(service, batch).status is BatchStatus.FAILED)
    assert service.store.statuses("default", ids) == ["canceled"] * 3


def test_a_full_disk_is_an_outage() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert all(map(is_outage, (OSError(errno.ENOSPC, "full"), full, QueueUnavailable("away"))))
    assert not any(map(is_outage, (OSError(errno.EIO, "broken"), sqlite3.OperationalError("no"), ValueError())))


def test_an_account_has_so_many_open_batches_and_none_leaves_a_named_file(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spools))
    batches = [added(service, "fox") for _ in range(MAX_OPEN_BATCHES)]
    with pytest.raises(QuotaExceeded, match="cancel one"):
        added(service, "hen")
    elsewhere = batches[0].model_copy(update={"account": "other", "id": new_id("batch")})
    service.store.add_batch(elsewhere)
    runner.start()
    until(lambda: all(now_of(service, one).status is BatchStatus.IN_PROGRESS for one in batches))
    assert list(spools.iterdir()) == []
    service.store.ask_to_cancel_batch("default", batches[0].id)
    until(lambda: now_of(service, batches[0]).status is BatchStatus.CANCELLED)
    added(service, "hen")


def test_a_slow_picture_of_one_batch_holds_no_other_up(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = threading.Event()

    async def stored(asked: Service, account: str, given: list[Any], *_: Any) -> list[str]:
        await asyncio.to_thread(arrived.wait)
        return ["upl_1"] * len(given)

    monkeypatch.setattr(batch_work, "stored_all", stored)
    monkeypatch.setattr(batch_work, "submit_one", lambda account, asked, request, job_id: submitted.append(job_id))
    submitted: list[str] = []
    looping = threading.Thread(target=runner._loop.run_forever)
    looping.start()
    pictures = [{"image_url": "http://slow/1.png"}]
    slow = added(service, "fox", endpoint="/v1/images/edits", images=pictures)
    runner.start()
    until(lambda: now_of(service, slow).status is BatchStatus.IN_PROGRESS)
    quick = added(service, "hen", "owl")
    until(lambda: set(submitted) >= {job_id_of(quick, 1), job_id_of(quick, 2)})
    assert job_id_of(slow, 1) not in submitted
    arrived.set()
    until(lambda: job_id_of(slow, 1) in submitted)
    runner.stop()
    runner._loop.call_soon_threadsafe(runner._loop.stop)
    looping.join()


def test_results_that_are_written_again_are_the_same_files(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = iter([True] * 3)

    def flaky(*given: Any, **named: Any) -> Any:
        if named["filename"].endswith("error.jsonl") and next(failing, False):
            raise StorageUnavailable("away")
        return add_file(*given, **named)

    monkeypatch.setattr(batch_results, "add_file", flaky)
    batch = added(service, "fox", "hen")
    runner.start()
    until(lambda: service.store.statuses("default", [job_id_of(batch, n) for n in (1, 2)]) == ["queued"] * 2)
    claim = service.store.claim_next("tester", [MODEL], lease_seconds=60)
    assert claim is not None
    service.store.move("default", claim.job_id, Status.SUCCEEDED, attempt=claim.attempt, artifacts=[])
    (other,) = {job_id_of(batch, 1), job_id_of(batch, 2)} - {claim.job_id}
    service.store.move("default", other, Status.CANCELED)
    until(lambda: now_of(service, batch).status is BatchStatus.COMPLETED)
    names = sorted(file.filename.removeprefix(batch.id) for file in list_files(service, "default"))
    assert names == ["_error.jsonl", "_output.jsonl", "lines.jsonl"]


def later(now: list[float]) -> bool:
    now[0] += batch_runner.FORGET_SECONDS + 1
    return True


def test_faults_that_sound_work_lies_between_do_not_add_up(
    service: Service, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, left, now = added(service, "fox"), [0], [0.0]
    looks: list[batch_work.BatchWork] = []

    def look(work: batch_work.BatchWork) -> None:
        if left[0]:
            left[0] -= 1
            raise ZeroDivisionError
        looks.append(work)

    monkeypatch.setattr(batch_work.BatchWork, "_look", look)
    monkeypatch.setattr(runner, "_clock", lambda: now[0])
    runner.start()
    for _ in range(MAX_FAULTS + 1):
        left[0] = 1
        until(lambda: left[0] == 0)
        looks.clear()
        until(lambda: later(now) and looks)
    assert now_of(service, batch).status is BatchStatus.IN_PROGRESS


def test_pauses_grow_to_the_longest_and_differ() -> None:
    first, longest = PAUSES_SECONDS
    assert [pause_seconds(n, 0.0) for n in (1, 2, 3)] == [first, 2 * first, 4 * first]
    assert (pause_seconds(500, 0.0), pause_seconds(500, 1.0)) == (longest, longest / 2)


def test_who_lost_the_lock_changes_nothing(service: Service) -> None:
    batch = added(service, "fox")
    assert service.store.hold_batch("default", batch.id, "second", 60)
    with pytest.raises(Superseded):
        service.store.save_batch(batch.moved(BatchStatus.COMPLETED, datetime.now(UTC)), "first")
    assert now_of(service, batch).status is BatchStatus.VALIDATING
