"""Every Redis key, queue, task and channel name of the system, and how ids are made. Nobody else spells them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

DEFAULT_ACCOUNT = "default"
#: The Celery task that means "come and look"; its argument is a hint.
DOORBELL_TASK = "omni_jobs.doorbell"
#: The Celery task by which any Celery application submits a job.
SUBMIT_TASK = "omni_jobs.submit"
SUBMIT_QUEUE = "omni.submit"


def model_queue(model: str) -> str:
    """The Celery queue that rings for one model, so that only workers that serve it hear it."""
    return f"omni.model.{model}"


def new_id(kind: str) -> str:
    """A unique id that sorts by time: kind, 48 bits of milliseconds, 64 random bits."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Keys:
    """Key names under one prefix. `ref` is `account/job_id`, the member form used in every index."""

    prefix: str = "omni"

    def job(self, account: str, job_id: str) -> str:
        """Hash: the job record, the truth."""
        return f"{self.prefix}:job:{account}:{job_id}"

    def events(self, account: str, job_id: str) -> str:
        """Stream: the job's durable events, id `<sequence>-0`."""
        return f"{self.prefix}:events:{account}:{job_id}"

    def progress(self, account: str, job_id: str) -> str:
        """String: the latest progress, JSON. Droppable."""
        return f"{self.prefix}:progress:{account}:{job_id}"

    def preview(self, account: str, job_id: str) -> str:
        """String: the latest preview picture. Droppable."""
        return f"{self.prefix}:preview:{account}:{job_id}"

    def feed(self, account: str) -> str:
        """Capped stream: the account's durable events, all jobs."""
        return f"{self.prefix}:feed:{account}"

    def channel(self, account: str, job_id: str) -> str:
        """Pub/sub: wakes whoever waits for this job."""
        return f"{self.prefix}:wake:{account}:{job_id}"

    def account_jobs(self, account: str) -> str:
        """Sorted set: the account's job ids by time of creation."""
        return f"{self.prefix}:jobs:{account}"

    def status_jobs(self, account: str, status: str) -> str:
        """Sorted set: the account's job ids in one status by time of creation."""
        return f"{self.prefix}:jobs:{account}:{status}"

    def idempotency(self, account: str, key: str) -> str:
        """Hash: job id and fingerprint of the first body sent under this key."""
        return f"{self.prefix}:idempotency:{account}:{key}"

    def upload(self, account: str, upload_id: str) -> str:
        """Hash: an input's storage key, type, size, SHA-256."""
        return f"{self.prefix}:upload:{account}:{upload_id}"
