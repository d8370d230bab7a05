"""The life of a job in the store: created, claimed, renewed, moved. Each method is one atomic script.

Every call may be repeated after a lost answer with the same effect: `create` by its id, `claim_next` by a nonce,
`move` by attempt and target.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from omni_jobs.errors import IllegalMove, NotFound, Superseded
from omni_jobs.names import new_id
from omni_jobs.schemas import (
    Artifact,
    Enhancement,
    Job,
    JobError,
    JobRequest,
    Progress,
    Sharing,
    Status,
    sources_of,
)
from omni_jobs.schemas.access import Limits
from omni_jobs.store.allowances import NO_LIMITS
from omni_jobs.store.codec import Fields, claim_of, compact, job_of, new_fields, record_of
from omni_jobs.store.core import StoreCore
from omni_jobs.store.refusals import not_created
from omni_jobs.store.values import Claim, Ref, Suspicion

#: Attempts of a job unless the caller says otherwise.
MAX_ATTEMPTS = 5


class Writing(StoreCore):
    """Everything that changes a job."""

    def create(
        self,
        request: JobRequest,
        *,
        account: str,
        seed: int,
        fingerprint: str,
        shape: str = "",
        cost_seconds: float = 1.0,
        retry_of: str | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        max_queued: int | None = None,
        limits: Limits = NO_LIMITS,
        key_id: str | None = None,
        job_id: str | None = None,
    ) -> tuple[Job, bool]:
        """Writes a job, queued; the bool says whether it is new.

        Args:
            fingerprint: digest of the body, compared when an idempotency key comes again. No blanks.
            shape: jobs of one shape can share batches.
            cost_seconds: expected device time, for the fair share between accounts.
            limits, key_id: what accounts without limits of their own may take; the key whose usage this is too.
            job_id: `job_...`; made here if absent. The same id again gives the job that is there.

        Raises:
            QueueUnavailable, InvalidRequest (the account), and those of `refusals.py`.
        """
        fields = new_fields(
            request,
            job_id=job_id or new_id("job"),
            account=self._check_account(account),
            seed=seed,
            shape=shape,
            cost_seconds=cost_seconds,
            max_attempts=max_attempts,
            retry_of=retry_of,
            key_id=key_id,
        )
        asked = {
            "fingerprint": fingerprint,
            "max_queued": max_queued,
            "limits": limits.model_dump(exclude_none=True),
        }
        return self._create(request, fields, asked, is_id_ours=job_id is None)

    def _create(
        self, request: JobRequest, fields: Fields, asked: dict[str, Any], *, is_id_ours: bool
    ) -> tuple[Job, bool]:
        body = request.model_dump_json(exclude_defaults=True)
        word, *answer = self.scripts.run("create", {"job": fields, "request": body, **asked})
        if word not in {b"created", b"existing"}:
            raise not_created(word, answer, fields["account"], request.idempotency_key)
        job = job_of(record_of(*answer))
        # An id that was made here and is there already: the answer to the first sending was lost.
        return job, word == b"created" or (is_id_ours and job.id == fields["id"])

    def claim_next(
        self,
        worker: str,
        models: Sequence[str],
        *,
        lease_seconds: float,
        min_priority: int = 0,
        shapes: Sequence[str] = (),
        alone: bool = False,
        company: str | None = None,
    ) -> Claim | None:
        """Leases the best ready job of these models, or None.

        Args:
            min_priority: take only jobs of this priority or above; aging does not count here.
            shapes: what the worker runs now; preferred among jobs that are equally due.
            alone: the worker is empty and will take nothing beside a suspect but its company; suspects are given
                to nobody else. See `Claim.company`.
            company: only a suspect of this company.
        """
        arguments = {
            "worker": worker,
            "models": list(models),
            "lease_ms": round(lease_seconds * 1000),
            "min_priority": min_priority,
            "shapes": list(shapes),
            "alone": alone,
            "company": company,
            "nonce": secrets.token_hex(8),
        }
        reply = self.scripts.run("claim_next", arguments)
        return claim_of(record_of(*reply[1:]), lease_seconds) if reply[0] == b"claim" else None

    def renew(self, worker: str, held: Iterable[tuple[str, str, int]], lease_seconds: float) -> set[Ref]:
        """Prolongs leases given as (account, job id, attempt); returns those no longer this worker's."""
        jobs = [list(one) for one in held]
        if not jobs:
            return set()
        arguments = {"worker": worker, "lease_ms": round(lease_seconds * 1000), "jobs": jobs}
        return {Ref.parse(ref.decode()) for ref in self.scripts.run("renew", arguments)}

    def move(
        self,
        account: str,
        job_id: str,
        to: Status,
        *,
        attempt: int | None = None,
        error: JobError | None = None,
        artifacts: Sequence[Artifact] = (),
        sharing: Sharing | None = None,
        timings: dict[str, float] | None = None,
        enhancement: Enhancement | None = None,
        not_before_ms: int | None = None,
        count_attempt: bool = True,
        crashed: bool = False,
        suspicion: Suspicion | None = None,
        reason: str = "",
    ) -> Job:
        """Moves a job and returns it; a hand back whose last attempt is spent ends `FAILED` instead.

        Args:
            attempt: the caller's fencing token; workers always give it.
            not_before_ms: with `QUEUED`: hold the job until then.
            count_attempt: False gives the attempt back (drain, an innocent neighbour); its number stays used.
            crashed: the device process died while this job was in the executing batch.
            suspicion: with `crashed`, what the next claim is to know.

        Raises:
            IllegalMove, Superseded (the attempt is not current), NotFound, QueueUnavailable.
        """
        arguments = {
            "account": account,
            "id": job_id,
            "to": to.value,
            "sources": [source.value for source in sources_of(to)],
            "attempt": attempt,
            "set": _result_parts(error, artifacts, sharing, timings, enhancement) | _suspected(suspicion),
            "outputs": len(artifacts),
            "device_seconds": None if sharing is None else sharing.device_seconds,
            "not_before_ms": not_before_ms,
            "count_attempt": count_attempt,
            "crashed": crashed,
            "reason": reason,
        }
        return self._moved(account, job_id, to, attempt, self.scripts.run("move", arguments))

    @staticmethod
    def _moved(account: str, job_id: str, to: Status, attempt: int | None, reply: list[Any]) -> Job:
        match reply[0]:
            case b"moved":
                return job_of(record_of(*reply[1:]))
            case b"missing":
                raise NotFound(f"There is no job {job_id} in account {account}.", field="job_id", value=job_id)
            case b"superseded":
                raise Superseded(
                    f"Attempt {attempt} of job {job_id} is not current: "
                    f"the job is {reply[1].decode()}, attempt {reply[2]}."
                )
            case b"newer":
                raise IllegalMove(
                    f"Job {job_id} was written by a later version (record {reply[1].decode()}).",
                    remedy="Upgrade this process.",
                )
        raise IllegalMove(f"Job {job_id} is {reply[1].decode()}; it cannot become {to.value}.", value=to.value)

    def note_progress(
        self, account: str, job_id: str, attempt: int, progress: Progress, preview: bytes | None = None
    ) -> bool:
        """Keeps the latest progress and preview, and wakes who waits; False if the attempt is not current."""
        blobs = (progress.model_dump_json(exclude_none=True).encode(), preview or b"")
        arguments = {"has_progress": True, "has_preview": preview is not None}
        return self._note(account, job_id, attempt, arguments, *blobs)

    def note_checkpoint(self, account: str, job_id: str, attempt: int, pointer: dict[str, Any]) -> bool:
        """Keeps where the next attempt may resume (small JSON); False if the attempt is not current."""
        return self._note(account, job_id, attempt, {"checkpoint": compact(pointer)})

    def note_resumed(self, account: str, job_id: str, attempt: int, facts: dict[str, Any]) -> bool:
        """Appends `job.resumed` with these facts (output, step, refused); False if the attempt is not current."""
        return self._note(account, job_id, attempt, {"resumed": {"attempt": attempt, **facts}})

    def _note(self, account: str, job_id: str, attempt: int, arguments: dict[str, Any], *blobs: bytes) -> bool:
        named = {"account": account, "id": job_id, "attempt": attempt, **arguments}
        return bool(self.scripts.run("note", named, *blobs))


def _suspected(suspicion: Suspicion | None) -> dict[str, str]:
    return {} if suspicion is None else {name: str(value) for name, value in suspicion._asdict().items()}


def _result_parts(
    error: JobError | None,
    artifacts: Sequence[Artifact],
    sharing: Sharing | None,
    timings: dict[str, float] | None,
    enhancement: Enhancement | None,
) -> dict[str, str]:
    """What a move brings, each part as JSON text; absent parts are left out."""
    parts: dict[str, Any] = {
        "error": error and error.model_dump(mode="json", exclude_none=True),
        "artifacts": [one.model_dump(mode="json", exclude_defaults=True) for one in artifacts] or None,
        "sharing": sharing and sharing.model_dump(mode="json", exclude_defaults=True),
        "timings": timings or None,
        "enhancement": enhancement and enhancement.model_dump(mode="json", exclude_none=True),
    }
    return {name: compact(part) for name, part in parts.items() if part is not None}
