"""What a receiver reads: the event's type and time, its sequence number, and the whole job as it was then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from omni_jobs.faces.fal import webhook_of
from omni_jobs.faces.replicate import prediction_of
from omni_jobs.object_links import Links
from omni_jobs.schemas import Job
from omni_jobs.schemas.record import Record
from omni_jobs.store import Delivery
from omni_jobs.store.codec import compact, moment

#: Bodies as other APIs have them, for jobs that came through their faces.
FOREIGN: dict[str, Callable[[Job, str], dict[str, Any]]] = {
    "replicate": prediction_of,
    "fal": webhook_of,
}


#: What a test event says.
TEST_MESSAGE = "This is a test: no job is meant."


class WebhookData(Record):
    """`sequence` counts a job's events; a receiver ignores one that is lower than the highest it has seen.

    `job` is complete but for `request.images`, `mask`, `inputs` and `copies`, which are the sender's own.
    """

    job_id: str
    sequence: int
    job: Job


class WebhookBody(Record):
    """The body of a webhook, as Standard Webhooks has it."""

    type: str
    timestamp: datetime
    data: WebhookData


def body_of(delivery: Delivery, links: Links, base: str) -> bytes:
    """The bytes to sign and send. Links to outputs are made now, for the same event may be sent days later."""
    if delivery.job is None:
        return compact(
            {
                "type": delivery.type,
                "timestamp": moment(delivery.created_ms).isoformat(),
                "data": {"message": TEST_MESSAGE},
            }
        ).encode()
    request = delivery.job.request.model_copy(update={"images": (), "mask": None, "inputs": {}, "copies": ()})
    job = links.sign_all(delivery.job.model_copy(update={"request": request}), base)
    hook = job.request.webhook
    if hook is not None and hook.format in FOREIGN and str(hook.url) == delivery.url:
        return compact(FOREIGN[hook.format](job, base)).encode()
    data = WebhookData(job_id=delivery.job_id, sequence=delivery.sequence, job=job)
    body = WebhookBody(type=delivery.type, timestamp=moment(delivery.created_ms), data=data)
    return body.model_dump_json(exclude_none=True).encode()
