"""Every Redis key, queue, task and channel name of the system, and how ids are made. Nobody else spells them.

The Lua scripts get `KEY_PATTERNS` from here, so that a key is spelled once for both languages.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

DEFAULT_ACCOUNT = "default"
#: The Celery task that means "come and look"; its arguments, account and job id, are a hint.
DOORBELL_TASK = "omni_jobs.doorbell"
#: The Celery task by which any Celery application submits a job.
SUBMIT_TASK = "omni_jobs.submit"
SUBMIT_QUEUE = "omni.submit"
#: The Celery task and queue of whoever rewrites prompts with a model of its own.
ENHANCE_TASK = "omni_jobs.enhance"
ENHANCE_QUEUE = "omni.enhance"
#: An account is a key part, therefore without colon and slash.
ACCOUNT_PATTERN = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")

#: What follows the prefix, by name; each %s is an account, an id, a priority or a model. Models come last,
#: because only they may hold a colon.
KEY_PATTERNS: dict[str, str] = {
    # Hash: the job record, the truth. Strings: what was asked, and what came of it, JSON.
    "job": "job:%s:%s",
    "request": "request:%s:%s",
    "result": "result:%s:%s",
    # List: the job's durable events, the n-th at index n-1. A stream would cost 4 KB per job.
    "events": "events:%s:%s",
    # String: the latest progress, JSON. Droppable.
    "progress": "progress:%s:%s",
    # String: the latest preview picture. Droppable.
    "preview": "preview:%s:%s",
    # Pub/sub: wakes whoever waits for this job.
    "channel": "wake:%s:%s",
    # Capped stream: the account's durable events, all jobs.
    "feed": "feed:%s",
    # Sorted set: the account's job ids by time of creation, all and by status.
    "account_jobs": "jobs:%s",
    "status_jobs": "jobs:%s:%s",
    # String: "<job id> <fingerprint>" of the first body sent under an idempotency key.
    "idempotency": "idempotency:%s:%s",
    # String: an input's storage key, type, size and SHA-256, JSON.
    "upload": "upload:%s:%s",
    # List: jobs of requests that a client may send again by itself; digest of the request and number of the try.
    "retries": "retries:%s:%s",
    # String: a file that a client of another API keeps, JSON; sorted set of an account's file ids by creation.
    "file": "file:%s:%s",
    "files": "files:%s",
    # String: an OpenAI client's batch, JSON; an account's batches by creation; "account/id" of those not ended.
    "batch": "batch:%s:%s",
    "batches": "batches:%s",
    "open_batches": "batches",
    # Strings: who works on a batch; a wish to cancel it.
    "batch_lock": "batch:lock:%s:%s",
    "batch_cancel": "batch:cancel:%s:%s",
    # Sorted set: ready jobs of one account, priority and model by due time.
    "ready": "ready:%s:%s:%s",
    # Sorted set: all ready jobs of a model by the time since which they wait.
    "waiting": "waiting:%s",
    # Sorted set: ready jobs that only an otherwise empty worker may run.
    "alone": "alone:%s",
    # Sorted set: models, or accounts of a model, that have ready jobs, by virtual time in device seconds.
    "turns": "turns:%s",
    # Hash: virtual times of all that ever had a turn; the field "" is the clock.
    "virtual": "virtual:%s",
    # Hash: per model the next moment to ring for jobs that nobody fetches, and the back-off.
    "rung": "rung",
    # Sorted sets of "account/job_id", by milliseconds: leases by expiry, held jobs by not_before, deadlines,
    # finished records by the end of their time to live.
    "leases": "leases",
    "delayed": "delayed",
    "deadlines": "deadlines",
    "expiring": "expiring",
    # String: how many jobs are queued.
    "queued_count": "queued",
    # String: what a claim with this nonce was given, for a repeated call after a lost answer.
    "claimed": "claimed:%s",
    # Sorted sets of delivery ids: what waits by its next try, what ended (delivered, given_up) by its end.
    "outbox": "outbox",
    "ended_deliveries": "outbox:%s",
    # Sorted set: an account's delivery ids in one state, by creation. Hash of one; list of its tries, JSON.
    "deliveries": "deliveries:%s:%s",
    "delivery": "delivery:%s",
    "delivery_tries": "tries:%s",
    # String: how many events and copies a finished job had that told somebody of it. Outlives the record, which
    # the server drops by itself.
    "told": "told:%s:%s",
    # String: what an enhancer made of a prompt, by the digest of what it was made from.
    "revised": "revised:%s:%s",
    # List: an enhancer's answer to one question, JSON, for whoever waits.
    "rewritten": "rewritten:%s",
    # Hash by URL: the account's webhook endpoints with secrets of their own, or that are disabled, JSON.
    "endpoints": "endpoints:%s",
    # Hash: an API key without its secret, by id; sorted set of the ids by time of creation.
    "api_key": "apikey:%s",
    "api_keys": "apikeys",
    # Hashes by owner, which is an account or "account/key id": its limits, and what it used on a day since 1970.
    "limits": "limits:%s",
    "usage": "usage:%s:%s",
    # String: until when an owner's requests of the last minute fill its limit, in milliseconds.
    "rate": "rate:%s",
    # String: since when, in milliseconds, no new job is taken; absent while jobs are.
    "paused": "paused",
    # String: who reconciles; hash: when it last did, and the grace after a gap.
    "leader": "leader",
    "sweep": "sweep",
    # String: a worker was asked to drain; it takes the key away when it heard.
    "drain": "drain:%s",
    # List: what a worker was asked to do with its models, JSON; it takes them when it beats.
    "changes": "changes:%s",
    # Sorted set of worker ids by end of life, and the state of one, JSON.
    "workers": "workers",
    "worker": "worker:%s",
    # Hash: model cards by name, JSON.
    "cards": "cards",
    # String: facts about the deployment that workers publish for producers, JSON without credentials.
    "deployment": "deployment",
    # Pub/sub: members of running jobs that were canceled.
    "cancels": "cancels",
}


def model_queue(model: str) -> str:
    """The Celery queue that rings for one model, so that only workers that serve it hear it."""
    return f"omni.model.{model}"


def new_id(kind: str) -> str:
    """A unique id that sorts by time: kind, 48 bits of milliseconds, 64 random bits."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def checkpoint_prefix(account: str, job_id: str) -> str:
    """Where the checkpoints of a job's attempts are stored."""
    return f"checkpoints/{account}/{job_id}/"


def artifact_id(job_id: str, index: int) -> str:
    """The id of a job's artifact; it names the job, so that no index is needed to find it."""
    return f"art_{job_id.removeprefix('job_')}_{index}"


def job_of_artifact(artifact: str) -> tuple[str, int] | None:
    """The job id and index that an artifact id names; None if it is not one."""
    match = re.fullmatch(r"art_([0-9a-f]{1,64})_(\d{1,4})", artifact)
    return (f"job_{match[1]}", int(match[2])) if match else None


@dataclass(frozen=True)
class Keys:
    """Key names under one prefix."""

    prefix: str = "omni"

    def __call__(self, name: str, *parts: object) -> str:
        """The full key of a row of `KEY_PATTERNS`."""
        return f"{self.prefix}:{KEY_PATTERNS[name] % parts}"
