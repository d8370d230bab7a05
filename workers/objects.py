"""The worker's edge to the object store: opens it, reads inputs, writes outputs, in our own errors.

Answers that may be better a moment later are asked for again, with a growing pause, for as long as the attempt is
still ours. Outputs are written by the threads of `uploads.py`, inputs are read by the slots.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from omni_jobs.errors import (
    InvalidMedia,
    Misconfigured,
    OmniJobsError,
    StorageUnavailable,
    Unavailable,
    UploadFailed,
)
from omni_jobs.schemas import Upload
from omni_jobs.settings import Settings
from storage import ObjectStore, StorageError, open_store
from storage import errors as storage_errors
from workers.leases import Lease
from workers.media import Encoded

log = structlog.get_logger(__name__)

T = TypeVar("T")
#: First and longest pause in seconds before an upload or download is tried again; each is three times the last.
PAUSES_SECONDS = (0.2, 30.0)
#: How long an input is asked for in all: less than a lease's budget for that phase.
PATIENCE_SECONDS = 480.0


def open_objects(settings: Settings) -> ObjectStore:
    """The object store of this deployment, checked: it takes, gives back and deletes a small object.

    Raises:
        Misconfigured, StorageUnavailable: with the remedy.
    """
    try:
        objects = open_store(settings.storage_url, **credentials(settings))
        objects.check()
    except storage_errors.Unreachable as error:
        raise StorageUnavailable(f"storage: {error.message}", remedy=error.remedy) from error
    except StorageError as error:
        raise Misconfigured(
            f"storage: {error.message}", field="storage_url", remedy=error.remedy or "Check OMNI_STORAGE_URL."
        ) from error
    return objects


def credentials(settings: Settings) -> dict[str, str]:
    """The keys that the settings hold for a bucket."""
    secrets = {
        "access_key_id": settings.storage_access_key,
        "secret_access_key": settings.storage_secret_key,
    }
    return {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}


def read_input(objects: ObjectStore, upload: Upload, field: str, max_bytes: int, lease: Lease) -> bytes:
    """An input's bytes, digest checked.

    Raises:
        InvalidMedia: it is gone or too large.
        StorageUnavailable: the store did not answer for all our patience.
    """
    if upload.size_bytes > max_bytes:
        raise InvalidMedia(
            f"`{field}`: {upload.size_bytes} bytes are more than {max_bytes}.", field=field, value=upload.id
        )
    try:
        return persist(lambda: objects.get(upload.key), lease)
    except storage_errors.NotFound as error:
        raise InvalidMedia(
            f"`{field}`: {upload.id} is no longer stored.", field=field, value=upload.id, remedy="Upload it again."
        ) from error
    except StorageError as error:
        raise _translated(error) from error


def write_output(
    objects: ObjectStore,
    key: str,
    encoded: Encoded,
    metadata: dict[str, str],
    lease: Lease,
    ends: float,
    tell: Callable[[], None],
) -> str:
    """Store one output under its attempt's key and ask the store back for size and digest; returns its SHA-256.

    `tell` is called before each try; there is none after `ends`, a time of the monotonic clock.

    Raises:
        StorageUnavailable: the store did not answer until then.
        UploadFailed: it refused.
    """
    digest = hashlib.sha256(encoded.content).hexdigest()

    def put_and_verify() -> None:
        info = objects.put(
            key, encoded.content, content_type=encoded.content_type, metadata=metadata, sha256=digest
        )
        objects.verify(info)

    try:
        persist(put_and_verify, lease, ends, tell)
    except StorageError as error:
        raise _translated(error) from error
    return digest


def persist(
    act: Callable[[], T], lease: Lease, ends: float | None = None, tell: Callable[[], None] = lambda: None
) -> T:
    """Do it, again after growing pauses while the error is retryable, the attempt goes on and patience lasts.

    `tell` is called before each try. Pauses are drawn at random, so that threads do not come back all at once to a
    store that has just recovered.
    """
    pause, ends = PAUSES_SECONDS[0], ends or time.monotonic() + PATIENCE_SECONDS
    while True:
        tell()
        try:
            return act()
        except (StorageError, Unavailable) as error:
            if not error.retryable or lease.stopped.is_set() or time.monotonic() >= ends:
                raise
            log.warning("input or output waits: trying again", error=str(error), pause_seconds=pause)
        lease.stopped.wait(pause * random.uniform(0.5, 1.5))
        pause = min(3 * pause, PAUSES_SECONDS[1])


def _translated(error: StorageError) -> OmniJobsError:
    if error.retryable:
        return StorageUnavailable(f"The object store failed: {error.message}", remedy=error.remedy)
    return UploadFailed(f"The object store refused: {error.message}", remedy=error.remedy)
