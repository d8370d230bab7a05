"""Objects in a bucket of Amazon S3 or of anything that speaks its protocol: what a deployment uses.

One client per store, shared by all slots. Transport, retries and multipart live beside this file; here is only
what each method of the contract means on S3.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from storage import s3_upload
from storage.arguments import (
    SHA256_METADATA,
    check_digest,
    check_expiry,
    check_header,
    check_key,
)
from storage.base import DEFAULT_CONTENT_TYPE, ListedObject, ObjectInfo, ObjectStore, announced
from storage.errors import AlreadyExists, NotFound, Unsupported
from storage.links import content_disposition
from storage.payload import Data, Measured, expect_digest, measured
from storage.s3_errors import of_code, translated
from storage.s3_options import S3Options, new_client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: S3 deletes at most this many objects in one request.
_DELETE_BATCH = 1000


class S3Store(ObjectStore):
    """One bucket, or one prefix of a bucket, as an object store."""

    def __init__(self, options: S3Options) -> None:
        """Makes the client; nothing is sent before the first call. Raises Misconfigured, InvalidKey (prefix)."""
        self._bucket = options.bucket
        self._prefix = "/".join(check_key(options.prefix)) + "/" if options.prefix else ""
        self._endpoint = options.endpoint
        self._digest = s3_upload.sha256_header if options.checksum == "when_supported" else s3_upload.md5_header
        self._client = new_client(options, options.endpoint)
        self._signer = (
            self._client if options.public_endpoint is None else new_client(options, options.public_endpoint)
        )

    def __repr__(self) -> str:
        place = f"s3://{self._bucket}/{self._prefix}"
        return f"S3Store({place!r})" if self._endpoint is None else f"S3Store({place!r} at {self._endpoint})"

    def put(
        self,
        key: str,
        data: Data,
        *,
        content_type: str = DEFAULT_CONTENT_TYPE,
        metadata: Mapping[str, str] | None = None,
        cache_control: str | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        target = self._target(key)
        expected = None if sha256 is None else check_digest(sha256)
        info = announced(key, content_type, metadata, cache_control)
        with measured(data) as payload:
            expect_digest(key, payload.sha256, expected)
            info = replace(info, size_bytes=payload.size_bytes, sha256=payload.sha256)
            existing = self._same_object(info) if if_absent else None
            if existing is not None:
                return existing
            try:
                return replace(info, etag=self._send(target, payload, info, if_absent))
            except AlreadyExists:
                # Another writer came first, or an earlier attempt of ours whose answer was lost.
                existing = self._same_object(info)
                if existing is None:
                    raise
                return existing

    def _send(self, target: dict[str, str], payload: Measured, info: ObjectInfo, if_absent: bool) -> str:
        """Writes the object and returns its entity tag."""
        headers: dict[str, Any] = {
            "ContentType": info.content_type,
            "Metadata": {**info.metadata, SHA256_METADATA: payload.sha256},
        }
        if info.cache_control is not None:
            headers["CacheControl"] = info.cache_control
        start = payload.file.tell()
        try:
            with translated(self, "put", info.key):
                return s3_upload.send(self._client, target, payload, headers, self._digest, if_absent)
        except Unsupported:
            if not if_absent:
                raise
        # A store without conditional writes: the question asked before must do.
        payload.file.seek(start)
        with translated(self, "put", info.key):
            return s3_upload.send(self._client, target, payload, headers, self._digest, False)

    def _same_object(self, wanted: ObjectInfo) -> ObjectInfo | None:
        """The object there if it holds the wanted bytes, None if there is none. Raises AlreadyExists."""
        try:
            found = self.head(wanted.key)
        except NotFound:
            return None
        if (found.size_bytes, found.sha256) != (wanted.size_bytes, wanted.sha256):
            raise AlreadyExists(f"object {wanted.key!r} already holds other bytes.", key=wanted.key)
        return found

    def get(self, key: str) -> bytes:
        with translated(self, "get", key):
            answer = self._client.get_object(**self._target(key))
            # Not `with body`: that hands out the raw stream below, without checksum and error handling.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
        with measured(content) as payload:
            expect_digest(key, payload.sha256, answer["Metadata"].get(SHA256_METADATA))
        return content

    def open(self, key: str) -> BinaryIO:
        with translated(self, "get", key):
            body = self._client.get_object(**self._target(key))["Body"]
        return io.BufferedReader(_Body(self, key, body), buffer_size=1 << 18)

    def head(self, key: str) -> ObjectInfo:
        with translated(self, "head", key):
            answer = self._client.head_object(**self._target(key))
        metadata = dict(answer["Metadata"])
        return ObjectInfo(
            key=key,
            size_bytes=answer["ContentLength"],
            sha256=metadata.pop(SHA256_METADATA, None),
            content_type=answer.get("ContentType", DEFAULT_CONTENT_TYPE),
            metadata=metadata,
            cache_control=answer.get("CacheControl"),
            etag=str(answer["ETag"]).strip('"'),
        )

    def delete(self, key: str) -> None:
        with translated(self, "delete", key):
            self._client.delete_object(**self._target(key))

    def delete_many(self, keys: Iterable[str]) -> None:
        targets = iter([{"Key": self._target(key)["Key"]} for key in keys])
        while batch := list(islice(targets, _DELETE_BATCH)):
            with translated(self, "delete"):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            for row in answer.get("Errors", []):
                if row.get("Code") != "NoSuchKey":
                    key = row["Key"].removeprefix(self._prefix)
                    raise of_code(row.get("Code", ""), row.get("Message", ""), self, "delete", key)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ListedObject]:
        request = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if start_after:
            request["StartAfter"] = self._prefix + start_after
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(**request))
        while True:
            with translated(self, "list"):
                page = next(pages, None)
            if page is None:
                return
            for row in page.get("Contents", []):
                key = row["Key"].removeprefix(self._prefix)
                yield ListedObject(key, row["Size"], row["LastModified"].astimezone(UTC))

    def presign_get(
        self, key: str, expires_seconds: int, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        parameters: dict[str, str] = self._target(key)
        if filename is not None:
            parameters["ResponseContentDisposition"] = content_disposition(filename)
        if content_type is not None:
            parameters["ResponseContentType"] = check_header("content_type", content_type)
        with translated(self, "sign a link", key):
            return str(
                self._signer.generate_presigned_url(
                    "get_object", Params=parameters, ExpiresIn=check_expiry(expires_seconds)
                )
            )

    def sweep_abandoned(self, older_than_seconds: float = 86400.0) -> int:
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        removed = 0
        with translated(self, "sweep"):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for row in page.get("Uploads", []):
                    if row["Initiated"] < before:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=row["Key"], UploadId=row["UploadId"]
                        )
                        removed += 1
        return removed

    def close(self) -> None:
        self._client.close()
        self._signer.close()

    def _target(self, key: str) -> dict[str, str]:
        check_key(key)
        return {"Bucket": self._bucket, "Key": self._prefix + key}


class _Body(io.RawIOBase):
    """The body of an answer as a file, whose failures are the store's."""

    def __init__(self, store: S3Store, key: str, body: Any) -> None:
        self._store = store
        self._key = key
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with translated(self._store, "get", self._key):
            chunk: bytes = self._body.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._body.close()
        super().close()
