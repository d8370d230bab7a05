"""Sends one object to S3: in one request up to 64 MiB, else in parts that are taken back if anything fails."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

from storage.payload import Measured, read_some

#: From this size an object goes in parts; images never do.
MULTIPART_BYTES = 64 << 20
#: Size of a part; larger where an object would need more than the 10,000 parts S3 allows.
PART_BYTES = 16 << 20
_MAX_PARTS = 10_000

#: Adds the headers that make the server check the bytes it received.
Digest = Callable[[bytes], dict[str, str]]


def sha256_header(content: bytes) -> dict[str, str]:
    """The server compares our SHA-256 with its own."""
    return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")}


def md5_header(content: bytes) -> dict[str, str]:
    """For servers that know only the oldest check."""
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return {"ContentMD5": base64.b64encode(digest).decode("ascii")}


def send(
    client: Any,
    target: dict[str, str],
    payload: Measured,
    headers: dict[str, Any],
    digest: Digest,
    only_if_absent: bool,
) -> str:
    """Writes the object `target` (Bucket, Key) and returns its entity tag. Raises botocore's errors."""
    condition = {"IfNoneMatch": "*"} if only_if_absent else {}
    if payload.size_bytes <= MULTIPART_BYTES:
        content = read_some(payload.file, payload.size_bytes)
        answer = client.put_object(**target, Body=content, **headers, **condition, **digest(content))
        return str(answer["ETag"]).strip('"')
    upload = {**target, "UploadId": _begin(client, target, headers, digest)}
    try:
        parts = _send_parts(client, upload, payload.file, _part_bytes(payload.size_bytes), digest)
        answer = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
    except BaseException as error:
        _take_back(client, upload, error)
        raise
    return str(answer["ETag"]).strip('"')


def _begin(client: Any, target: dict[str, str], headers: dict[str, Any], digest: Digest) -> str:
    algorithm = {"ChecksumAlgorithm": "SHA256"} if digest is sha256_header else {}
    return str(client.create_multipart_upload(**target, **headers, **algorithm)["UploadId"])


def _send_parts(
    client: Any, upload: dict[str, str], file: BinaryIO, part_bytes: int, digest: Digest
) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    while content := read_some(file, part_bytes):
        number = len(parts) + 1
        check = digest(content)
        answer = client.upload_part(**upload, PartNumber=number, Body=content, **check)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumSHA256" in check:
            part["ChecksumSHA256"] = check["ChecksumSHA256"]
        parts.append(part)
    return parts


def _take_back(client: Any, upload: dict[str, str], cause: BaseException) -> None:
    """Drops the parts sent; if even that fails, the cause is what the caller must see, and a sweep drops them."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.abort_multipart_upload(**upload)
    except (BotoCoreError, ClientError) as error:
        cause.add_note(f"The parts already sent stay until a sweep: {error}")


def _part_bytes(size_bytes: int) -> int:
    return max(PART_BYTES, -(-size_bytes // _MAX_PARTS))
