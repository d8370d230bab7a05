"""The whole store against a model in plain Python, on every server that is present.

Hypothesis draws the calls. After each one everything is compared: what it returned, every record, every event and
every index key. The second machine loses answers: each script may run and be run again with the same arguments, as
redis-py does after a broken connection, and nothing may differ.
"""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from omni_jobs.errors import IdempotencyMismatch, IllegalMove, Superseded
from omni_jobs.names import Keys, artifact_id
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Artifact, JobError, JobRequest, Phase, Progress, Sharing, Status
from omni_jobs.store import JobStore, Ref, Suspicion
from omni_jobs.store.codec import moment
from omni_jobs.store.connection import open_redis
from omni_jobs.store.scripts import Scripts
from tests.store.model import FINAL, ModelJob, ModelStore

START_MS = 1_800_000_000_000
LEASE_MS = 10_000
TTL_SECONDS = 3600
PICK = st.integers(0, 99)
COMPANIES = st.sampled_from((None, None, "c", "d"))
ACCOUNTS, MODELS, WORKERS, SHAPES = ("a", "b", "c"), ("m:1", "n"), ("w1", "w2"), ("s", "t")


class LossyScripts(Scripts):
    """Loses the answer of the first sending when told to, and sends again, as redis-py does."""

    is_lossy = False

    def run(self, name: str, arguments: Any, *blobs: bytes) -> Any:
        if self.is_lossy:
            super().run(name, arguments, *blobs)
        return super().run(name, arguments, *blobs)


class StoreMachine(RuleBasedStateMachine):
    """Draws calls for a store of its own prefix. Subclasses name the server."""

    server: RedisServer
    loses_answers = False
    jobs = Bundle("jobs")

    @initialize()
    def open(self) -> None:
        client = open_redis(self.server.url)
        self.keys = Keys(f"t{secrets.token_hex(6)}")
        self.store = JobStore(client, self.keys)
        self.scripts = LossyScripts(client, self.keys.prefix)
        self.store.scripts = self.scripts
        self.model = ModelStore(START_MS)
        self.created = 0
        self.compared: dict[str, list[str]] = {}
        self.bodies: dict[tuple[str, str], tuple[str, str]] = {}
        self._set_clock()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            damage = [one for ref in self.store.named_jobs() for one in self.store.examine(ref)]
            assert damage + self.store.examine_counts() == [], "fsck finds damage that no call may do"
            keys = list(self.store.redis.scan_iter(f"{self.keys.prefix}:*", count=1000))
            if keys:
                self.store.redis.delete(*keys)
            self.store.close()

    @rule(
        target=jobs,
        account=st.sampled_from(ACCOUNTS),
        model=st.sampled_from(MODELS),
        priority=st.sampled_from((0, 5, 6, 9)),
        shape=st.sampled_from(SHAPES),
        cost=st.sampled_from((0.5, 1.0, 8.0)),
        max_attempts=st.integers(1, 3),
        hold_ms=st.sampled_from((0, 0, 0, 7_000)),
        deadline_ms=st.sampled_from((None, None, 20_000, 120_000)),
        lossy=st.booleans(),
    )
    def create(
        self,
        account: str,
        model: str,
        priority: int,
        shape: str,
        cost: float,
        max_attempts: int,
        hold_ms: int,
        deadline_ms: int | None,
        lossy: bool,
    ) -> str:
        self.created += 1
        job_id = f"job_{self.created:04x}"
        now = self.model.now
        request = JobRequest(
            model=model,
            prompt="p",
            priority=priority,
            ttl_seconds=TTL_SECONDS,
            not_before=moment(now + hold_ms) if hold_ms else None,
            deadline=moment(now + deadline_ms) if deadline_ms else None,
        )
        self._lose(lossy)
        job, is_new = self.store.create(
            request,
            account=account,
            seed=7,
            fingerprint="f",
            shape=shape,
            cost_seconds=cost,
            max_attempts=max_attempts,
            job_id=job_id,
        )
        assert (job.status, job.account, job.seed, job.request) == (Status.QUEUED, account, 7, request)
        assert is_new or (lossy and self.loses_answers)
        self.model.create(
            ModelJob(
                account=account,
                id=job_id,
                model=model,
                priority=priority,
                cost=cost,
                shape=shape,
                max_attempts=max_attempts,
                ttl_ms=TTL_SECONDS * 1000,
                created_ms=now,
                ready_ms=now + hold_ms,
                not_before_ms=now + hold_ms if hold_ms else 0,
                deadline_ms=now + deadline_ms if deadline_ms else None,
            )
        )
        return f"{account}/{job_id}"

    @precondition(lambda self: self._with("queued"))
    @rule(
        worker=st.sampled_from(WORKERS),
        models=st.sampled_from((["n", "m:1"], ["m:1"], ["n"], ["unknown", "m:1"])),
        min_priority=st.sampled_from((0, 0, 6)),
        shapes=st.sampled_from(([], ["s"], ["t", "s"])),
        alone=st.booleans(),
        company=COMPANIES,
        lossy=st.booleans(),
    )
    def claim(
        self,
        worker: str,
        models: list[str],
        min_priority: int,
        shapes: list[str],
        alone: bool,
        company: str | None,
        lossy: bool,
    ) -> None:
        company = company if alone else None
        self._lose(lossy)
        claim = self.store.claim_next(
            worker,
            models,
            lease_seconds=LEASE_MS / 1000,
            min_priority=min_priority,
            shapes=shapes,
            alone=alone,
            company=company,
        )
        expected = self.model.claim(worker, models, LEASE_MS, min_priority, shapes, alone, company)
        if expected is None:
            assert claim is None
            return
        assert claim is not None
        assert (str(claim.ref), claim.attempt, claim.spent) == (expected.ref, expected.attempt, expected.spent)
        assert (claim.crashes, claim.shape, claim.deadline_ms) == (
            expected.crashes,
            expected.shape,
            expected.deadline_ms,
        )

    @rule(
        worker=st.sampled_from(WORKERS), refs=st.lists(jobs, max_size=4), stale=st.booleans(), lossy=st.booleans()
    )
    def renew(self, worker: str, refs: list[str], stale: bool, lossy: bool) -> None:
        held = [(ref, self._attempt(ref) - stale) for ref in refs]
        self._lose(lossy)
        leases = [(*Ref.parse(ref), attempt) for ref, attempt in held]
        lost = self.store.renew(worker, leases, LEASE_MS / 1000)
        assert {str(ref) for ref in lost} == self.model.renew(worker, held, LEASE_MS)

    @precondition(lambda self: self._with("running"))
    @rule(
        pick=PICK,
        to=st.sampled_from((Status.SUCCEEDED, Status.FAILED)),
        outputs=st.integers(0, 2),
        device_seconds=st.sampled_from((None, 0.25, 4.0)),
        lossy=st.booleans(),
    )
    def settle(self, pick: int, to: Status, outputs: int, device_seconds: float | None, lossy: bool) -> None:
        running = self._with("running")
        job = running[pick % len(running)]
        outputs = outputs if to is Status.SUCCEEDED else 0
        self._lose(lossy)
        moved = self.store.move(
            job.account,
            job.id,
            to,
            attempt=job.attempt,
            artifacts=[_artifact(job, index) for index in range(outputs)],
            error=JobError(code="execution_failed", message="no") if to is Status.FAILED else None,
            sharing=None if device_seconds is None else Sharing(device_seconds=device_seconds),
        )
        job.error_code = "execution_failed" if to is Status.FAILED else None
        self.model.settle(job, to.value, outputs=outputs, device_seconds=device_seconds)
        assert moved.status is to

    @rule(ref=jobs, to=st.sampled_from((Status.SUCCEEDED, Status.FAILED, Status.QUEUED)))
    def write_of_an_attempt_that_ended(self, ref: str, to: Status) -> None:
        job = self.model.jobs.get(ref)
        if job is None or not job.attempt or job.status == "running":
            return
        self._lose(False)
        if job.status == to.value or (to is Status.QUEUED and job.status == "failed"):
            assert self.store.move(job.account, job.id, to, attempt=job.attempt).status.value == job.status
        else:
            with pytest.raises(Superseded):
                self.store.move(job.account, job.id, to, attempt=job.attempt)

    @rule(ref=jobs, to=st.sampled_from((Status.SUCCEEDED, Status.FAILED, Status.QUEUED)))
    def write_of_a_superseded_attempt(self, ref: str, to: Status) -> None:
        job = self.model.jobs.get(ref)
        if job is not None and job.attempt > 1:
            self._lose(False)
            with pytest.raises(Superseded):
                self.store.move(job.account, job.id, to, attempt=job.attempt - 1)
            progress = Progress(phase=Phase.DENOISE, step=99)
            assert not self.store.note_progress(job.account, job.id, job.attempt - 1, progress)

    @precondition(lambda self: self._with("running"))
    @rule(
        pick=PICK,
        hold_ms=st.sampled_from((None, None, 7_000)),
        count=st.booleans(),
        crashed=st.sampled_from((True, True, False)),
        company=COMPANIES,
        lossy=st.booleans(),
    )
    def hand_back(
        self, pick: int, hold_ms: int | None, count: bool, crashed: bool, company: str | None, lossy: bool
    ) -> None:
        running = self._with("running")
        job = running[pick % len(running)]
        not_before_ms = None if hold_ms is None else self.model.now + hold_ms
        self._lose(lossy)
        moved = self.store.move(
            job.account,
            job.id,
            Status.QUEUED,
            attempt=job.attempt,
            not_before_ms=not_before_ms,
            count_attempt=count,
            crashed=crashed,
            suspicion=Suspicion(company, 1) if company else None,
            reason="drain",
        )
        self.model.hand_back(job, not_before_ms, count, crashed, company)
        assert moved.status.value == job.status

    @rule(ref=jobs, lossy=st.booleans())
    def cancel(self, ref: str, lossy: bool) -> None:
        job = self.model.jobs.get(ref)
        if job is None:
            return
        self._lose(lossy)
        if job.status in FINAL and job.status != "canceled":
            with pytest.raises(IllegalMove):
                self.store.move(job.account, job.id, Status.CANCELED)
            return
        assert self.store.move(job.account, job.id, Status.CANCELED).status is Status.CANCELED
        if job.status != "canceled":
            self.model.settle(job, "canceled", outputs=0, device_seconds=None)

    @rule(account=st.sampled_from(ACCOUNTS), key=st.sampled_from(("k", "k\0", "ü")), body=st.sampled_from("xy"))
    def create_idempotently(self, account: str, key: str, body: str) -> None:
        known = self.bodies.get((account, key))
        if known is None or f"{account}/{known[0]}" not in self.model.jobs:
            return
        request = JobRequest(model="n", prompt=body, idempotency_key=key)
        if known[1] != body:
            with pytest.raises(IdempotencyMismatch):
                self.store.create(request, account=account, seed=1, fingerprint=body)
        else:
            job, is_new = self.store.create(request, account=account, seed=1, fingerprint=body)
            assert (job.id, is_new) == (known[0], False)

    @rule(
        target=jobs,
        account=st.sampled_from(ACCOUNTS),
        key=st.sampled_from(("k", "k\0", "ü")),
        body=st.sampled_from("xy"),
    )
    def create_with_key(self, account: str, key: str, body: str) -> str:
        known = self.bodies.get((account, key))
        if known is not None and f"{account}/{known[0]}" in self.model.jobs:
            return f"{account}/{known[0]}"
        self.created += 1
        job_id = f"job_{self.created:04x}"
        request = JobRequest(model="n", prompt=body, idempotency_key=key, ttl_seconds=TTL_SECONDS)
        self._lose(True)
        self.store.create(request, account=account, seed=1, fingerprint=body, job_id=job_id, max_attempts=2)
        now = self.model.now
        self.model.create(ModelJob(account, job_id, "n", 5, 1.0, "", 2, TTL_SECONDS * 1000, now, now))
        self.bodies[account, key] = (job_id, body)
        return f"{account}/{job_id}"

    @rule(ms=st.sampled_from((1, 4_000, 6_000, 11_000, 11_000, 70_000, 130_000, 3_700_000)))
    def advance(self, ms: int) -> None:
        self.model.now += ms
        self._set_clock()

    @rule(lossy=st.booleans())
    def reconcile(self, lossy: bool) -> None:
        self._lose(lossy)
        assert self.store.reconcile().is_leader
        self.model.reconcile()

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def records_agree(self) -> None:
        self._lose(False)
        found = {
            f"{job.account}/{job.id}": job
            for account in ACCOUNTS
            for job in self.store.list(account, limit=500)[0]
        }
        assert found.keys() == self.model.jobs.keys()
        for ref, job in self.model.jobs.items():
            record = found[ref]
            assert (record.status.value, record.attempt, record.worker) == (job.status, job.attempt, job.worker)
            assert (record.error and record.error.code) == job.error_code
            assert (len(record.artifacts), record.sequence) == (job.outputs, len(job.events))
            if self.compared.get(ref) != job.events:
                self.compared[ref] = list(job.events)
                self._events_agree(job)

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def indexes_agree(self) -> None:
        found: dict[str, dict[str, float]] = {}
        keys = list(self.store.redis.scan_iter(f"{self.keys.prefix}:*", count=10_000, _type="zset"))
        with self.store.redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.zrange(key, 0, -1, withscores=True)
            replies = pipeline.execute()
        for key, pairs in zip(keys, replies, strict=True):
            name = key.decode().removeprefix(f"{self.keys.prefix}:")
            found[name] = {member.decode(): float(score) for member, score in pairs}
        assert found == self.model.indexes()
        queued = int(self.store.redis.get(self.keys("queued_count")) or 0)
        assert queued == sum(job.status == "queued" for job in self.model.jobs.values())

    def _events_agree(self, job: ModelJob) -> None:
        events = self.store.events(job.account, job.id)
        assert [event.type.value for event in events] == job.events
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert sum(event.type.is_terminal for event in events) == (job.status in FINAL)

    def _set_clock(self) -> None:
        self.scripts.clock_ms = self.model.now

    def _lose(self, lossy: bool) -> None:
        self.scripts.is_lossy = lossy and self.loses_answers

    def _with(self, status: str) -> list[ModelJob]:
        return [job for job in self.model.jobs.values() if job.status == status] if hasattr(self, "model") else []

    def _attempt(self, ref: str) -> int:
        job = self.model.jobs.get(ref)
        return job.attempt if job else 1


def _artifact(job: ModelJob, index: int) -> Artifact:
    return Artifact(
        id=artifact_id(job.id, index),
        index=index,
        key=f"{job.id}/{job.attempt}/{index}.png",
        content_type="image/png",
        size_bytes=1,
        sha256="0" * 64,
        seed=index,
    )


@pytest.mark.parametrize("loses", [False, True], ids=["answers arrive", "answers are lost"])
def test_store_agrees_with_the_model(any_redis_server: RedisServer, loses: bool) -> None:
    machine = type("Machine", (StoreMachine,), {"server": any_redis_server, "loses_answers": loses})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
