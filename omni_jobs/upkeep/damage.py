"""Walks store and objects for what should never be, and mends what is safe. Used by `omni-jobs fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from omni_jobs.errors import NotFound, StorageUnavailable
from omni_jobs.schemas import Artifact
from omni_jobs.store import Damage, JobStore, Ref
from storage import ObjectInfo, ObjectStore, StorageError
from storage import errors as storage_errors


def find_damage(store: JobStore, objects: ObjectStore | None, *, mend: bool = False) -> Iterator[Damage]:
    """Every job that a record or an index names, the counts, the outbox, and the outputs of what succeeded.

    Args:
        objects: None leaves them out; each output costs a request.

    Raises:
        QueueUnavailable, StorageUnavailable.
    """
    models = store.waited_for()
    for ref in sorted(store.named_jobs()):
        yield from store.examine(ref, models, mend=mend)
        if objects is not None:
            yield from _damaged_objects(store, objects, ref)
    yield from store.examine_counts(mend=mend)
    yield from store.examine_outbox(mend=mend)


def _damaged_objects(store: JobStore, objects: ObjectStore, ref: Ref) -> Iterator[Damage]:
    try:
        artifacts = store.get(ref.account, ref.job_id).artifacts
    except NotFound:
        return
    for artifact in artifacts:
        problem = _problem(objects, artifact)
        if problem is not None:
            code, text = problem
            yield Damage(code, str(ref), f"{artifact.key}: {text}")


def _problem(objects: ObjectStore, artifact: Artifact) -> tuple[str, str] | None:
    """What is wrong with a shown output. Nothing can bring it back, so nothing is mended."""
    expected = ObjectInfo(artifact.key, artifact.size_bytes, artifact.sha256, artifact.content_type)
    try:
        objects.verify(expected)
    except storage_errors.NotFound:
        return "object_missing", "is shown and not stored"
    except storage_errors.ChecksumMismatch as error:
        return "object_damaged", error.message
    except StorageError as error:
        raise StorageUnavailable(f"Object storage: {error}") from error
    return None
