"""Objects that no record names: outputs of attempts that died, of jobs that were forgotten; checkpoints; inputs.

Used by `omni-jobs collect`. What is young is left alone: its record may be on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from omni_jobs.deletion import delete_job
from omni_jobs.errors import NotFound
from omni_jobs.schemas import Job
from omni_jobs.store import JobStore
from omni_jobs.uploads import storage_errors_translated
from storage import ListedObject, ObjectStore

#: Objects deleted at a time; what a bucket takes in one request.
CHUNK = 1000


@dataclass(frozen=True)
class Orphan:
    """An object that may go, and why."""

    key: str
    size_bytes: int
    why: str


def find_orphans(store: JobStore, objects: ObjectStore, older_than: datetime) -> Iterator[Orphan]:
    """Objects last changed before `older_than` that no record names.

    Raises:
        QueueUnavailable, StorageUnavailable.
    """
    with storage_errors_translated():
        # A job's objects come one after another: its record is read once for all of them.
        for kind in ("out", "checkpoints"):
            old = (one for one in objects.list(f"{kind}/") if one.modified_at < older_than)
            for owner, owned in groupby(old, _owner):
                yield from orphans_of_job(kind, _job(store, *owner), owned)
        for one in objects.list("uploads/"):
            if one.modified_at < older_than and not _is_upload(store, *_owner(one)):
                yield Orphan(one.key, one.size_bytes, "its upload was forgotten")


def orphans_of_job(kind: str, job: Job | None, owned: Iterable[ListedObject]) -> Iterator[Orphan]:
    """Which of a job's outputs (`out`) or checkpoints nothing needs. A job that has not ended keeps all."""
    shown = {artifact.key for artifact in job.artifacts} if job else set()
    why = "its job is gone" if job is None else "its attempt did not end the job"
    if job is not None and kind == "checkpoints":
        why = "its job has ended"
    for one in owned:
        if (job is None or job.is_finished) and one.key not in shown:
            yield Orphan(one.key, one.size_bytes, why)


def delete_orphans(objects: ObjectStore, orphans: Iterable[Orphan]) -> None:
    """Removes them. Raises StorageUnavailable."""
    keys = [orphan.key for orphan in orphans]
    with storage_errors_translated():
        for begin in range(0, len(keys), CHUNK):
            objects.delete_many(keys[begin : begin + CHUNK])


def find_finished(store: JobStore, before: datetime) -> Iterator[Job]:
    """Jobs that ended before, of all accounts, though their time to live has not passed."""
    for account in sorted({ref.account for ref in store.named_jobs()}):
        cursor = None
        while True:
            jobs, cursor = store.list(account, cursor=cursor, limit=200)
            yield from (job for job in jobs if job.finished_at is not None and job.finished_at < before)
            if cursor is None:
                break


def delete_finished(store: JobStore, objects: ObjectStore, jobs: Iterable[Job]) -> None:
    """Removes jobs with their outputs; one that is gone meanwhile is a success."""
    for job in jobs:
        try:
            delete_job(store, objects, job.account, job.id)
        except NotFound:
            continue


def _owner(one: ListedObject) -> tuple[str, str]:
    """Account and job, or account and upload, of a key `kind/account/id...`."""
    _, account, rest = one.key.split("/", 2)
    return account, rest.partition("/")[0]


def _job(store: JobStore, account: str, job_id: str) -> Job | None:
    try:
        return store.get(account, job_id)
    except NotFound:
        return None


def _is_upload(store: JobStore, account: str, upload_id: str) -> bool:
    try:
        store.upload(account, upload_id)
    except NotFound:
        return False
    return True
