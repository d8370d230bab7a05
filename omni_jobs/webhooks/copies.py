"""One output on its way to its customer's presigned URL. Called by the courier for deliveries of this type."""

from __future__ import annotations

import asyncio

from omni_jobs.errors import NotFound
from omni_jobs.store import Delivery
from omni_jobs.uploads import storage_errors_translated
from omni_jobs.webhooks.schedule import Answer
from omni_jobs.webhooks.sender import Sender
from storage import ObjectStore

#: The type of these deliveries; their `sequence` is the output's index.
COPY = "output.copy"
#: A presigned link that says so will not think better of it.
REFUSALS = frozenset({400, 401, 403, 404, 405, 410, 411, 413, 415})


async def send_copy(delivery: Delivery, objects: ObjectStore, sender: Sender) -> Answer:
    """Sends the bytes of one output. Raises StorageUnavailable."""
    job = delivery.job
    targets, artifacts = ((), ()) if job is None else (job.request.copies, job.artifacts)
    if delivery.sequence >= min(len(targets), len(artifacts)):
        return Answer(None, "there is no such output", is_refused=True)
    target, artifact = targets[delivery.sequence], artifacts[delivery.sequence]

    def read() -> bytes:
        with storage_errors_translated():
            return objects.get(artifact.key)

    try:
        content = await asyncio.to_thread(read)
    except NotFound:
        return Answer(None, "the output was deleted", is_refused=True)
    name = artifact.key.rpartition("/")[2]
    answer = await sender.copy(target, content, artifact.content_type, name)
    if answer.status in REFUSALS:
        return Answer(answer.status, answer.error, is_refused=True)
    return answer
