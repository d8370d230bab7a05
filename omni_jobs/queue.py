"""How a job enters, is called off, and is tried again: the record first, the doorbell second.

Every door (HTTP, client, CLI, bulk, a Celery task) comes through `submit`. What it refuses leaves no trace.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from omni_jobs.celery_tasks import producer_app, send_doorbell
from omni_jobs.costs import expected_seconds, shape_of
from omni_jobs.errors import IllegalMove, InvalidRequest, NotFound
from omni_jobs.names import DEFAULT_ACCOUNT
from omni_jobs.safety import PromptCheck, check_prompt
from omni_jobs.schemas import MAX_SEED, Job, JobRequest, Status, parse_job
from omni_jobs.schemas.access import Limits
from omni_jobs.store import JobStore, Ref, Ring
from omni_jobs.store.allowances import NO_LIMITS
from omni_jobs.store.codec import compact
from omni_jobs.store.writing import MAX_ATTEMPTS
from omni_jobs.webhooks.destinations import check_destinations

LOG = structlog.get_logger(__name__)
#: Above this many queued jobs a submit is refused, unless the caller has another limit.
MAX_QUEUED = 200_000


def submit(
    store: JobStore,
    job: JobRequest | Mapping[str, Any],
    *,
    account: str = DEFAULT_ACCOUNT,
    max_attempts: int = MAX_ATTEMPTS,
    max_queued: int | None = MAX_QUEUED,
    limits: Limits = NO_LIMITS,
    key_id: str | None = None,
    prompt_check: PromptCheck | None = None,
    retry_of: str | None = None,
    job_id: str | None = None,
) -> tuple[Job, bool]:
    """Checks a job against its model's card, writes it, rings; the bool says whether the job is new.

    Raises:
        InvalidRequest: (or UnknownModel, IdempotencyMismatch) with the field, its value and the remedy.
        ModerationBlocked, QueueFull, QuotaExceeded: nothing was stored.
        QueueUnavailable: nor here, or (lost answer) the same call again finds it.
    """
    request = job if isinstance(job, JobRequest) else parse_job(job)
    card = store.card(request.model)
    card.validate_job(request)
    _check_deadline(request, datetime.now(UTC))
    check_destinations(request, datetime.now(UTC))
    _check_inputs(store, account, request)
    check_prompt(prompt_check, account, request)
    store.check_memory()
    created, is_new = store.create(
        request,
        account=account,
        seed=secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed,
        fingerprint=fingerprint(request),
        shape=shape_of(request, card),
        cost_seconds=expected_seconds(request, card),
        retry_of=retry_of,
        max_attempts=max_attempts,
        max_queued=max_queued,
        limits=limits,
        key_id=key_id,
        job_id=job_id,
    )
    if is_new:
        _welcome(store, created)
    return created, is_new


def cancel(store: JobStore, account: str, job_id: str) -> Job:
    """Calls a job off at once; one that is already canceled is returned as it is.

    Raises:
        IllegalMove: it ended in another way. NotFound: there is no such job.
    """
    return store.move(account, job_id, Status.CANCELED)


def retry(
    store: JobStore,
    account: str,
    job_id: str,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    max_queued: int | None = MAX_QUEUED,
    limits: Limits = NO_LIMITS,
    key_id: str | None = None,
    prompt_check: PromptCheck | None = None,
) -> Job:
    """Submits a finished job again, as a new job with the same seed and `retry_of`.

    The idempotency key stays with the first job, and times that have passed are dropped.

    Raises:
        IllegalMove: the job has not ended yet. NotFound: there is no such job.
    """
    job = store.get(account, job_id)
    if not job.is_finished:
        raise IllegalMove(f"Job {job_id} is {job.status}; only a finished job is tried again.", value=job.status)
    now = datetime.now(UTC)
    old = job.request
    again = old.model_copy(
        update={
            "seed": job.seed,
            "idempotency_key": None,
            "not_before": old.not_before if old.not_before and old.not_before > now else None,
            "deadline": old.deadline if old.deadline and old.deadline > now else None,
            "copies": () if any((one.ends_at() or now) < now for one in old.copies) else old.copies,
        }
    )
    return submit(
        store,
        again,
        account=account,
        max_attempts=max_attempts,
        max_queued=max_queued,
        limits=limits,
        key_id=key_id,
        prompt_check=prompt_check,
        retry_of=job_id,
    )[0]


def _welcome(store: JobStore, job: Job) -> None:
    """Keeps a new job's inputs for as long as it needs them, and rings for it unless it is held."""
    request = job.request
    store.keep_uploads(job.account, [one for one in request.pictures.values() if one.startswith("upl_")])
    if request.not_before is None or request.not_before <= datetime.now(UTC):
        ring(store, request.model, Ref(job.account, job.id))


def ring(store: JobStore, model: str, ref: Ref) -> None:
    """Tells the workers of a model to come and look. A failure is logged: the reconciler rings again."""
    try:
        send_doorbell(producer_app(store.broker_url, store.keys.prefix), model, ref.account, ref.job_id)
    except (KombuError, OperationalError, RedisError, OSError) as error:
        LOG.warning("doorbell_failed", job=str(ref), model=model, error=str(error))


def ring_all(store: JobStore, rings: Iterable[Ring]) -> None:
    """Rings for what a sweep of the reconciler found."""
    for one in rings:
        ring(store, one.model, one.ref)


def fingerprint(request: JobRequest) -> str:
    """Digest of what a producer sent, the idempotency key apart; equal bodies have equal ones."""
    body = request.model_dump(mode="json", exclude={"idempotency_key"}, exclude_defaults=True)
    return hashlib.sha256(compact(_sorted(body)).encode()).hexdigest()[:32]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _check_deadline(request: JobRequest, now: datetime) -> None:
    if request.deadline is not None and request.deadline <= now:
        raise InvalidRequest(
            "`deadline`: has passed already.",
            field="deadline",
            value=request.deadline.isoformat(),
            remedy="Give a time in the future, with its zone.",
        )


def _check_inputs(store: JobStore, account: str, request: JobRequest) -> None:
    for field, input_id in request.pictures.items():
        try:
            found = store.find_input(account, input_id)
        except NotFound as error:
            raise InvalidRequest(
                f"`{field}`: {input_id!r} is no upload and no artifact of this account.",
                field=field,
                value=input_id,
                remedy="Upload the picture first; uploads and artifacts are kept for a limited time.",
            ) from error
        if not found.content_type.startswith(("image/", "video/", "audio/")):
            raise InvalidRequest(
                f"`{field}`: {input_id!r} is {found.content_type}, not a picture.", field=field, value=input_id
            )
