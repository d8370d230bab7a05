"""The store again, naively, in plain Python: lists are sorted, nothing is indexed, the clock is a number.

The state machine does the same to this and to a real server and compares everything, key by key.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

LEVEL_MS, PATIENCE_MS, CLOSE_MS, PEERS = 120_000, 600_000, 5_000, 8
ALONE_AFTER_CRASHES = 2
FINAL = ("succeeded", "failed", "canceled", "expired")
EVENT_OF = {"queued": "job.queued", "running": "job.started"} | {status: f"job.{status}" for status in FINAL}


@dataclass
class ModelJob:
    """One job as the model sees it."""

    account: str
    id: str
    model: str
    priority: int
    cost: float
    shape: str
    max_attempts: int
    ttl_ms: int
    created_ms: int
    ready_ms: int
    not_before_ms: int = 0
    deadline_ms: int | None = None
    status: str = ""
    is_held: bool = False
    has_begun: bool = False
    attempt: int = 0
    spent: int = 0
    crashes: int = 0
    company: str | None = None
    worker: str | None = None
    charged: float = 0.0
    lease_ends_ms: int = 0
    expires_ms: int = 0
    error_code: str | None = None
    outputs: int = 0
    events: list[str] = field(default_factory=list)

    @property
    def ref(self) -> str:
        return f"{self.account}/{self.id}"

    @property
    def due(self) -> int:
        due = self.ready_ms + PATIENCE_MS
        return due if self.deadline_ms is None else min(due, self.deadline_ms)

    @property
    def suspicion(self) -> int:
        """By which suspects are ordered: whoever crashed least first."""
        return self.due + self.crashes * 86_400_000

    @property
    def is_alone(self) -> bool:
        return self.company is not None or self.crashes >= ALONE_AFTER_CRASHES

    @property
    def is_ready(self) -> bool:
        return self.status == "queued" and not self.is_held


class Shares:
    """Virtual times of one scope; members join at the clock at least."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.at: dict[str, float] = defaultdict(float)
        self.active: set[str] = set()

    def follow(self, active: set[str]) -> None:
        for member in active - self.active:
            self.at[member] = max(self.at[member], self.clock)
        self.active = set(active)

    def charge(self, member: str, seconds: float) -> None:
        if member not in self.active:
            self.at[member] = max(self.at[member], self.clock)
        self.at[member] += seconds

    def advance(self, member: str) -> None:
        if member in self.active:
            self.clock = max(self.clock, self.at[member])


class ModelStore:
    """Operations as the store's, on plain objects. `now` is in milliseconds."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.jobs: dict[str, ModelJob] = {}
        self.shares: dict[str, Shares] = defaultdict(Shares)
        self.swept_at = 0
        self.grace_from = 0

    def create(self, job: ModelJob) -> None:
        self.jobs[job.ref] = job
        self._enter(job, "queued")

    def claim(
        self,
        worker: str,
        models: list[str],
        lease_ms: int,
        min_priority: int,
        shapes: list[str],
        alone: bool,
        company: str | None,
    ) -> ModelJob | None:
        self._promote(PEERS)
        while True:
            job = self._best(models, min_priority, shapes, alone, company)
            if job is None:
                return None
            if job.deadline_ms is None or job.deadline_ms > self.now:
                break
            self._pass_deadline(job)
        for scope, member in ((job.model, job.account), ("", job.model)):
            self.shares[scope].advance(member)
        self._charge(job, job.cost)
        job.charged = job.cost
        job.attempt += 1
        job.spent += 1
        job.worker, job.has_begun = worker, True
        job.lease_ends_ms = self.now + lease_ms
        self._enter(job, "running")
        return job

    def renew(self, worker: str, held: list[tuple[str, int]], lease_ms: int) -> set[str]:
        lost = set()
        for ref, attempt in held:
            job = self.jobs.get(ref)
            if job and job.status == "running" and (job.attempt, job.worker) == (attempt, worker):
                job.lease_ends_ms = self.now + lease_ms
            else:
                lost.add(ref)
        return lost

    def settle(self, job: ModelJob, to: str, *, outputs: int, device_seconds: float | None) -> None:
        """A fenced end of the current attempt, or a cancel from anywhere."""
        was_running = job.status == "running"
        if to == "succeeded":
            job.events += ["job.output"] * outputs
            job.outputs = outputs
        self._enter(job, to)
        if was_running and device_seconds is not None:
            self._charge(job, device_seconds - job.charged)

    def hand_back(
        self, job: ModelJob, not_before_ms: int | None, count: bool, crashed: bool, company: str | None
    ) -> None:
        job.crashes += crashed
        job.company = company or job.company
        job.spent -= not count
        if not_before_ms is not None:
            job.not_before_ms = not_before_ms
            job.ready_ms = max(job.ready_ms, not_before_ms)
        self._hand_back(job)
        if not count:
            self._charge(job, -job.charged)

    def reconcile(self) -> None:
        in_grace = self._in_grace()
        for job in list(self.jobs.values()):
            if job.deadline_ms is None or job.status in FINAL or job.deadline_ms > self.now:
                continue
            if job.status == "queued" or job.deadline_ms + 5000 <= self.now:
                self._pass_deadline(job)
        expired = [job for job in self.jobs.values() if job.status == "running" and job.lease_ends_ms <= self.now]
        for job in sorted(expired, key=lambda job: (job.lease_ends_ms, job.ref)):
            if not in_grace:
                self._hand_back(job)
        self._promote(100)
        self.jobs = {
            ref: job for ref, job in self.jobs.items() if job.status not in FINAL or job.expires_ms > self.now
        }

    def indexes(self) -> dict[str, Any]:
        """Every sorted set that the store should hold now, by key without prefix."""
        expected: dict[str, dict[str, float]] = defaultdict(dict)
        for job in self.jobs.values():
            expected[f"jobs:{job.account}"][job.id] = job.created_ms
            expected[f"jobs:{job.account}:{job.status}"][job.id] = job.created_ms
            if job.status == "running":
                expected["leases"][job.ref] = job.lease_ends_ms
            if job.status in FINAL:
                expected["expiring"][job.ref] = job.expires_ms
            elif job.deadline_ms is not None:
                expected["deadlines"][job.ref] = job.deadline_ms
            if job.status == "queued" and job.is_held:
                expected["delayed"][job.ref] = job.not_before_ms
            if job.is_ready:
                expected[f"waiting:{job.model}"][job.ref] = job.ready_ms
                if job.is_alone:
                    expected[f"alone:{job.model}"][job.ref] = job.suspicion
                else:
                    expected[f"ready:{job.account}:{job.priority}:{job.model}"][job.id] = job.due
        for scope, shares in self.shares.items():
            if shares.active:
                expected[f"turns:{scope}"] = {member: shares.at[member] for member in shares.active}
        return dict(expected)

    def _best(
        self, models: list[str], min_priority: int, shapes: list[str], alone: bool, company: str | None
    ) -> ModelJob | None:
        ready = [job for job in self.jobs.values() if job.is_ready]
        for model in models if alone else ():
            suspects = sorted(
                (job.suspicion, job.ref, job)
                for job in ready
                if job.is_alone and job.model == model and company in (None, job.company)
            )
            if suspects:
                return suspects[0][2]
        if company is not None:
            return None
        normal = [job for job in ready if not job.is_alone and job.priority >= min_priority]
        turns = self.shares[""]
        for model in sorted(set(models) & turns.active, key=lambda model: (turns.at[model], model)):
            accounts = self.shares[model]
            for account in sorted(accounts.active, key=lambda account: (accounts.at[account], account)):
                own = [job for job in normal if (job.model, job.account) == (model, account)]
                if own:
                    return self._best_of_account(own, shapes)
        return None

    def _best_of_account(self, own: list[ModelJob], shapes: list[str]) -> ModelJob:
        def rank(job: ModelJob) -> int:
            return job.priority + max(0, (self.now + PATIENCE_MS - job.due) // LEVEL_MS)

        heads = {job.priority: job for job in sorted(own, key=lambda job: (job.due, job.id), reverse=True)}
        level = min(heads.values(), key=lambda head: (-rank(head), head.due, -head.priority)).priority
        peers = sorted((job for job in own if job.priority == level), key=lambda job: (job.due, job.id))[:PEERS]
        close = [job for job in peers if job.shape in shapes and job.due <= peers[0].due + CLOSE_MS]
        return (close or peers)[0]

    def _enter(self, job: ModelJob, status: str) -> None:
        job.status = status
        job.events.append(EVENT_OF[status])
        job.is_held = status == "queued" and job.not_before_ms > self.now
        if status in FINAL:
            job.expires_ms = self.now + job.ttl_ms
        self._follow()

    def _follow(self) -> None:
        ready = [job for job in self.jobs.values() if job.is_ready and not job.is_alone]
        models = {job.model for job in ready}
        for scope in {*self.shares, *models} - {""}:
            self.shares[scope].follow({job.account for job in ready if job.model == scope})
        self.shares[""].follow(models)

    def _charge(self, job: ModelJob, seconds: float) -> None:
        self.shares[job.model].charge(job.account, seconds)
        self.shares[""].charge(job.model, seconds)

    def _promote(self, limit: int) -> None:
        held = [job for job in self.jobs.values() if job.status == "queued" and job.is_held]
        due = sorted((job.not_before_ms, job.ref, job) for job in held if job.not_before_ms <= self.now)
        for _, _, job in due[:limit]:
            job.is_held = False
            self._follow()

    def _pass_deadline(self, job: ModelJob) -> None:
        job.error_code = "deadline_exceeded" if job.has_begun else None
        self._enter(job, "failed" if job.has_begun else "expired")

    def _hand_back(self, job: ModelJob) -> None:
        if job.spent < job.max_attempts:
            self._enter(job, "queued")
            return
        job.error_code = "poisoned" if job.crashes >= ALONE_AFTER_CRASHES else "attempts_exhausted"
        self._enter(job, "failed")

    def _in_grace(self) -> bool:
        gap, before = self.now - self.swept_at, self.swept_at
        self.swept_at = self.now
        if before and gap > 11_000 and self.now - self.grace_from > 60_000:
            self.grace_from = self.now
        return bool(self.grace_from) and self.now - self.grace_from < 15_000
