"""A job deleted for good: called off, its objects removed, then its record."""

from __future__ import annotations

from contextlib import suppress

from omni_jobs import queue
from omni_jobs.errors import IllegalMove
from omni_jobs.names import checkpoint_prefix
from omni_jobs.store import JobStore
from omni_jobs.uploads import storage_errors_translated
from storage import ObjectStore


def delete_job(store: JobStore, objects: ObjectStore, account: str, job_id: str) -> None:
    """Deletes a job with all its outputs and checkpoints; the inputs belong to the account and stay.

    The objects go first: while one is left, the record that names it is there, and the same call finds both. A
    fenced worker that is just uploading may leave an object behind, which no record names; sweep old ones.

    Raises:
        NotFound, QueueUnavailable, StorageUnavailable.
    """
    job = store.get(account, job_id)
    if not job.is_finished:
        with suppress(IllegalMove):  # it ended by itself just now
            queue.cancel(store, account, job_id)
        job = store.get(account, job_id)
    with storage_errors_translated():
        prefixes = (f"out/{account}/{job_id}/", checkpoint_prefix(account, job_id))
        listed = [one.key for prefix in prefixes for one in objects.list(prefix)]
        objects.delete_many([*listed, *(artifact.key for artifact in job.artifacts if artifact.key not in listed)])
    store.delete(account, job_id)
