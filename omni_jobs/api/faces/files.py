"""Files kept for clients of other APIs: stored with a record, listed, deleted; expired ones go when anybody looks.

Pictures become uploads, so that jobs can use them. Called by the files routes and by who writes a batch's results.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal

from omni_jobs.api.service import Service
from omni_jobs.errors import IllegalMove
from omni_jobs.names import new_id
from omni_jobs.schemas.files import StoredFile
from omni_jobs.uploads import storage_errors_translated

_PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8", b"RIFF")


def object_key(account: str, file_id: str) -> str:
    """Where a file that is no picture lies."""
    return f"files/{account}/{file_id}"


def add_file(
    service: Service,
    account: str,
    data: Path | BinaryIO,
    *,
    purpose: str,
    filename: str,
    content_type: str = "application/octet-stream",
    life_seconds: int | None = None,
    file_id: str | None = None,
) -> StoredFile:
    """Stores any bytes, object first; over what the id has already, if one is given.

    Raises:
        QuotaExceeded, StorageUnavailable, QueueUnavailable.
    """
    if isinstance(data, Path):
        service.reserve_bytes(account, data.stat().st_size)
    file_id = file_id or new_id("file").replace("_", "-")
    key = object_key(account, file_id)
    with storage_errors_translated():
        info = service.objects.put(key, data, content_type=content_type)
    now = datetime.now(UTC)
    file = StoredFile(
        id=file_id,
        key=key,
        purpose=purpose,
        filename=filename,
        content_type=content_type,
        size_bytes=info.size_bytes,
        sha256=info.sha256 or "",
        created_at=now,
        expires_at=None if life_seconds is None else now + timedelta(seconds=life_seconds),
    )
    service.store.add_file(account, file)
    return file


def add_picture_file(
    service: Service,
    account: str,
    path: Path,
    *,
    face: Literal["openai", "replicate"],
    purpose: str,
    filename: str,
    life_seconds: int | None,
) -> StoredFile:
    """Stores a picture as an upload with a file's record. Raises what `Service.keep_picture` raises."""
    upload = service.keep_picture(account, path, filename[:200])
    file = StoredFile(
        id=upload.id.replace("upl_", "file-"),
        key=upload.key,
        face=face,
        purpose=purpose,
        filename=filename,
        content_type=upload.content_type,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        created_at=upload.created_at,
        expires_at=None if life_seconds is None else upload.created_at + timedelta(seconds=life_seconds),
        upload=upload.id,
    )
    service.store.add_file(account, file)
    return file


def looks_like_a_picture(path: Path) -> bool:
    """Whether the first bytes are those of a format that jobs take."""
    with path.open("rb") as file:
        return file.read(4).startswith(_PICTURE_STARTS)


def list_files(service: Service, account: str) -> list[StoredFile]:
    """The files, newest first; objects of expired ones are removed."""
    files, gone = service.store.list_files(account)
    if gone:
        with storage_errors_translated():
            service.objects.delete_many(object_key(account, one) for one in gone)
    return files


def delete_file(service: Service, account: str, file_id: str) -> StoredFile:
    """Deletes a file; a picture that jobs may use stays an upload.

    Raises:
        NotFound.
        IllegalMove: a batch that has not ended reads it; who takes that batch over begins with its file.
    """
    file = service.store.file(account, file_id)
    reader = next((one for one in service.store.open_batches_of(account) if one.input_file_id == file_id), None)
    if reader is not None:
        raise IllegalMove(
            f"File {file_id} is the input of batch {reader.id}, which has not ended.",
            field="file_id",
            value=file_id,
            remedy="Cancel the batch first, or wait for its end.",
        )
    if file.upload is None:
        with storage_errors_translated():
            service.objects.delete(file.key)
    service.store.forget_file(account, file_id)
    return file
