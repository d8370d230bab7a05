"""A file that a client of another API keeps with us: a batch's lines or results, or a picture for a job."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from omni_jobs.schemas.record import Record


class StoredFile(Record):
    """`upload` is the input that jobs know, if the file is a picture; its object is the same."""

    id: str
    key: str
    face: Literal["openai", "replicate"] = "openai"
    purpose: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    upload: str | None = None
