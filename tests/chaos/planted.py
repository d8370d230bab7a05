"""A healthy history in small, for planting one violation at a time."""

from __future__ import annotations

from typing import Any

from tests.chaos.history import Entry


def healthy() -> list[Entry]:
    """Three jobs: one succeeded at its second attempt, one canceled, one poison; a webhook, faults, a reader."""
    events = [
        event(1, "job.queued", 10),
        event(2, "job.started", 20, attempt=1),
        event(3, "job.queued", 50, attempt=1, reason="lease lost"),
        event(4, "job.started", 60, attempt=2),
        event(5, "job.output", 70, attempt=2, index=0),
        event(6, "job.succeeded", 70, attempt=2),
    ]
    artifact = {"key": "out/default/job_a/2/0.png", "sha256": "aa", "stored": "aa", "is_right": True}
    killed = [event(1, "job.queued", 10), event(2, "job.started", 20, attempt=1)]
    return [
        {"at": 0, "kind": "run", "seed": 1, "lease_seconds": 2.0, "max_attempts": 5, "submit_seconds": 30.0},
        {"at": 9, "kind": "unanswered", "key": "k-lost", "role": "plain"},
        *(submitted(job, role) for job, role in (("job_a", "plain"), ("job_b", "canceled"), ("job_c", "poison"))),
        {"at": 21, "kind": "fault", "number": 1, "name": "kill_worker", "target": "worker-0"},
        {"at": 22, "kind": "healed", "number": 1},
        {"at": 30, "kind": "canceled", "job": "job_b"},
        {"at": 71, "kind": "seen", "job": "job_a", "status": "succeeded", "attempt": 2},
        *(webhook("job_a", 6, "job.succeeded", answered=answered) for answered in (500, 204, 204)),
        {"at": 99, "kind": "fault", "number": 2, "name": "redis_freeze", "target": "redis"},
        record("job_a", "succeeded", events, artifacts=[artifact], wants=["job.succeeded"]),
        record("job_b", "canceled", [event(1, "job.queued", 10), event(2, "job.canceled", 29, attempt=0)]),
        record("job_c", "failed", [*killed, event(3, "job.failed", 90, attempt=1)], code="poisoned"),
        {"at": 120, "kind": "baseline", "name": "open files of worker-0", "after": 40, "allowed": 64},
    ]


def event(sequence: int, type: str, at: int, **data: Any) -> dict[str, Any]:
    return {"sequence": sequence, "type": type, "at": at, "data": data}


def submitted(job: str, role: str) -> Entry:
    return {"at": 10, "kind": "submitted", "job": job, "key": f"k-{job}", "role": role, "seconds": 0.1}


def webhook(job: str, sequence: int, type: str, *, answered: int = 204, number: int = 0) -> Entry:
    named = {"id": f"evt_{job}_{sequence}_{number}", "job": job, "sequence": sequence, "type": type}
    return {"at": 80, "kind": "webhook", **named, "is_valid": True, "answered": answered}


def record(job: str, status: str, events: list[dict[str, Any]], **facts: Any) -> Entry:
    attempt = sum(event["type"] == "job.started" for event in events)
    told = {"code": None, "message": "", "artifacts": [], "wants": [], **facts}
    return {
        "at": 110, "kind": "record", "job": job, "key": f"k-{job}", "status": status, "attempt": attempt,
        "events": events, **told,
    }  # fmt: skip


def find(entries: list[Entry], kind: str, job: str | None = None) -> Entry:
    """The first entry of a kind, to be changed in place."""
    return next(entry for entry in entries if entry["kind"] == kind and job in (None, entry.get("job")))
