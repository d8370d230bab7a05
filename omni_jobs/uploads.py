"""An input on its way in: checked, stored with its digest, noted in the store. Used by the client and the API."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from omni_jobs.errors import Misconfigured, NotFound, OmniJobsError, StorageUnavailable
from omni_jobs.media_check import MAX_BYTES, MAX_PIXELS, check_picture
from omni_jobs.schemas import Upload
from omni_jobs.schemas.access import Limits
from omni_jobs.store import JobStore
from omni_jobs.store.allowances import NO_LIMITS
from storage import ObjectStore, StorageError
from storage import errors as storage_errors


@contextmanager
def storage_errors_translated() -> Iterator[None]:
    """Turns the storage package's errors into ours.

    Raises:
        NotFound, StorageUnavailable (trying again may help), Misconfigured.
    """
    try:
        yield
    except storage_errors.NotFound as error:
        raise NotFound(str(error)) from error
    except StorageError as error:
        kind: type[OmniJobsError] = StorageUnavailable if error.retryable else Misconfigured
        raise kind(f"Object storage: {error}") from error


def add_picture(
    store: JobStore,
    objects: ObjectStore,
    account: str,
    data: bytes | Path,
    *,
    filename: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    upload_id: str | None = None,
    limits: Limits = NO_LIMITS,
    key_id: str | None = None,
) -> Upload:
    """Checks a picture, in memory or in a file, and keeps it.

    The object comes first and the note second, so that a note never lacks its object. If none is given, the id is
    made of the bytes: a picture that an account sends again is the same upload, kept for longer.

    Raises:
        InvalidMedia, QuotaExceeded, StorageUnavailable, QueueUnavailable.
    """
    facts = check_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    store.reserve_bytes(account, facts.size_bytes, limits=limits, key_id=key_id)
    digest = _sha256(data)
    upload_id = upload_id or f"upl_{digest[:40]}"
    key = f"uploads/{account}/{upload_id}"
    with storage_errors_translated():
        objects.put(key, data, content_type=facts.content_type, sha256=digest)
    upload = Upload(
        id=upload_id,
        key=key,
        content_type=facts.content_type,
        size_bytes=facts.size_bytes,
        sha256=digest,
        width=facts.width,
        height=facts.height,
        filename=filename,
        created_at=datetime.now(UTC),
    )
    store.add_upload(account, upload)
    return upload


def _sha256(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
