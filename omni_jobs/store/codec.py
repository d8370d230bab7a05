"""Between the record hash in Redis and the objects that everybody else sees. Pure functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from omni_jobs.schemas import (
    RECORD_VERSION,
    Artifact,
    Event,
    EventType,
    Job,
    JobError,
    JobRequest,
    Progress,
    Sharing,
    Status,
)
from omni_jobs.store.values import Claim, Delivery

Fields = Mapping[str, str]
#: As in the scripts.
ALONE_AFTER_CRASHES = 2


def moment(ms: str | int) -> datetime:
    """A time in UTC from milliseconds."""
    return datetime.fromtimestamp(int(ms) / 1000, tz=UTC)


def milliseconds(at: datetime | None) -> int | None:
    """Milliseconds of a time; None stays None."""
    return None if at is None else round(at.timestamp() * 1000)


def compact(value: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def record_of(
    flat: Sequence[bytes] | Mapping[bytes, bytes], request: bytes, result: bytes | None
) -> dict[str, str]:
    """A whole record as text: the hash, and the request and the result beside it as fields."""
    return fields_of(flat) | {"request": request.decode(), "result": (result or b"{}").decode()}


def fields_of(flat: Sequence[bytes] | Mapping[bytes, bytes]) -> dict[str, str]:
    """A hash as text, from a client's HGETALL or a script's flat list."""
    pairs: Iterable[tuple[bytes, bytes]]
    pairs = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def new_fields(
    request: JobRequest,
    *,
    job_id: str,
    account: str,
    seed: int,
    shape: str,
    cost_seconds: float,
    max_attempts: int,
    retry_of: str | None,
    key_id: str | None,
) -> dict[str, str]:
    """The hash of a new job; times, status and counters are the script's."""
    key = request.idempotency_key
    fields = {
        "v": RECORD_VERSION,
        "id": job_id,
        "account": account,
        "model": request.model,
        "seed": seed,
        "priority": request.priority,
        "shape": shape,
        "cost_seconds": f"{cost_seconds:.4g}",
        "ttl_seconds": request.ttl_seconds,
        "max_attempts": max_attempts,
        "not_before_ms": milliseconds(request.not_before),
        "deadline_ms": milliseconds(request.deadline),
        "retry_of": retry_of,
        "key": key_id,
        # A digest, because the key may hold anything and becomes part of a Redis key.
        "idempotency": None if key is None else hashlib.sha256(key.encode()).hexdigest()[:32],
        "webhook": request.webhook and request.webhook.model_dump_json(),
        "copies": compact([str(one.url) for one in request.copies]) if request.copies else None,
    }
    return {name: str(value) for name, value in fields.items() if value is not None}


def job_of(fields: Fields, progress: str | bytes | None = None) -> Job:
    """The public record from the stored one."""
    result = json.loads(fields["result"])
    return Job(
        id=fields["id"],
        account=fields["account"],
        status=Status(fields["status"]),
        request=JobRequest.model_validate_json(fields["request"]),
        seed=int(fields["seed"]),
        attempt=int(fields.get("attempt", 0)),
        max_attempts=int(fields["max_attempts"]),
        created_at=moment(fields["created_ms"]),
        started_at=_moment_or_none(fields, "started_ms"),
        finished_at=_moment_or_none(fields, "finished_ms"),
        worker=fields.get("worker"),
        progress=Progress.model_validate_json(progress) if progress else None,
        artifacts=tuple(Artifact.model_validate(artifact) for artifact in result.get("artifacts", ())),
        error=JobError.model_validate(result["error"]) if "error" in result else None,
        sharing=Sharing.model_validate(result["sharing"]) if "sharing" in result else None,
        timings=result.get("timings", {}),
        **result.get("enhancement", {}),
        retry_of=fields.get("retry_of"),
        sequence=int(fields["sequence"]),
    )


def claim_of(fields: Fields, lease_seconds: float) -> Claim:
    """A claim from the record that the script leased."""
    return Claim(
        account=fields["account"],
        job_id=fields["id"],
        attempt=int(fields["attempt"]),
        spent=int(fields["spent"]),
        max_attempts=int(fields["max_attempts"]),
        request=JobRequest.model_validate_json(fields["request"]),
        seed=int(fields["seed"]),
        shape=fields["shape"],
        crashes=int(fields.get("crashes", 0)),
        created_ms=int(fields["created_ms"]),
        deadline_ms=int(fields["deadline_ms"]) if "deadline_ms" in fields else None,
        checkpoint=json.loads(fields["checkpoint"]) if "checkpoint" in fields else None,
        lease_seconds=lease_seconds,
        company=company_of(fields),
        alone_crashes=int(fields.get("alone_crashes", 0)),
    )


def company_of(fields: Fields) -> str | None:
    """Who may run beside a suspect. A worker of an earlier version names nobody; after two crashes that is so."""
    has_crashed_twice = int(fields.get("crashes", 0)) >= ALONE_AFTER_CRASHES
    return fields.get("company") or (fields["id"] if has_crashed_twice else None)


def event_of(account: str, job_id: str, sequence: int, line: bytes, job: Job | None) -> Event:
    """A durable event from its line "<ms> <type> <data>". Artifacts and the error are looked up in the record."""
    at_ms, type_name, data_text = line.decode().split(" ", 2)
    data: dict[str, Any] = json.loads(data_text)
    kind = EventType(type_name)
    if job is not None and kind is EventType.OUTPUT and data["index"] < len(job.artifacts):
        data["artifact"] = job.artifacts[data["index"]].model_dump(mode="json", exclude_none=True)
    if job is not None and kind is EventType.FAILED and job.error is not None:
        data["error"] = job.error.model_dump(mode="json", exclude_none=True)
    return Event(job_id=job_id, account=account, sequence=sequence, type=kind, at=moment(at_ms), data=data)


def delivery_of(fields: Fields) -> Delivery:
    """A delivery from its hash; the job's hash in it is a JSON object of text fields."""
    record = json.loads(fields.get("record", "null"))
    if record is not None:
        record |= {"request": fields["request"], "result": fields["result"] or "{}"}
    return Delivery(
        id=fields["id"],
        account=fields["account"],
        job_id=fields["job_id"],
        sequence=int(fields["sequence"]),
        type=fields["type"],
        url=fields["url"],
        job=None if record is None else job_of(record, record.get("progress")),
        created_ms=int(fields["created_ms"]),
        tries=int(fields["tries"]),
        error=fields.get("error"),
    )


def _moment_or_none(fields: Fields, name: str) -> datetime | None:
    return moment(fields[name]) if name in fields else None
