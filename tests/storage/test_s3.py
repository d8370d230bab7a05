"""What only S3 can get wrong: signatures, digests, parts. Failing servers are in `test_s3_failures`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import ObjectStore, open_store, s3_upload
from storage.errors import (
    AccessDenied,
    AlreadyExists,
    ChecksumMismatch,
    InvalidArgument,
    Misconfigured,
    NotFound,
)
from tests.servers.s3_server import S3Server
from tests.servers.swift import swift
from tests.storage.conftest import BUCKET

KEY = "out/job-1/clip.mp4"


@pytest.fixture(scope="module", params=["moto when_supported", "swift when_supported", "swift when_required"])
def s3_store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    kind, checksum = request.param.split()
    server: S3Server = request.getfixturevalue(f"{kind}_server")
    with open_store(f"s3://{BUCKET}/parts", checksum=checksum, **server.options) as store:
        yield store


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts of the least size S3 takes, so that 12 MiB make three."""
    monkeypatch.setattr(s3_upload, "MULTIPART_BYTES", 5 << 20)
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 << 20)
    return 12 << 20


def test_a_large_object_goes_in_parts_and_comes_back_whole(s3_store: ObjectStore, small_parts: int) -> None:
    content = os.urandom(small_parts)
    written = s3_store.put(KEY, io.BytesIO(content), content_type="video/mp4", metadata={"job": "1"})
    assert written.etag is not None
    assert written.etag.endswith("-3")
    s3_store.verify(written)
    assert s3_store.get(KEY) == content
    assert s3_store.head(KEY).content_type == "video/mp4"
    with pytest.raises(AlreadyExists):
        s3_store.put(KEY, os.urandom(small_parts), if_absent=True)
    s3_store.delete(KEY)


def test_a_failed_large_put_takes_its_parts_back(s3_store: ObjectStore, small_parts: int) -> None:
    class Breaking(io.BytesIO):
        """Readable once, for the digest; the second time it breaks in the middle."""

        rewound = 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            self.rewound += 1
            return super().seek(offset, whence)

        def read(self, size: int | None = -1, /) -> bytes:
            if self.rewound and self.tell() > 6 << 20:
                raise OSError("the disk went away")
            return super().read(size)

    with pytest.raises(InvalidArgument, match="the disk went away"):
        s3_store.put(KEY, Breaking(bytes(small_parts)))
    with pytest.raises(NotFound):
        s3_store.head(KEY)
    assert s3_store.sweep_abandoned(older_than_seconds=-60) == 0


def test_parts_of_a_killed_writer_are_swept(swift_server: S3Server) -> None:
    store = open_store(f"s3://{BUCKET}/swept", **swift_server.options)
    client = swift_server.client()
    client.create_multipart_upload(Bucket=BUCKET, Key="swept/a")
    client.create_multipart_upload(Bucket=BUCKET, Key="elsewhere/b")
    assert store.sweep_abandoned() == 0
    assert store.sweep_abandoned(older_than_seconds=-60) == 1
    left = client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [row["Key"] for row in left] == ["elsewhere/b"]
    client.abort_multipart_upload(Bucket=BUCKET, Key="elsewhere/b", UploadId=left[0]["UploadId"])
    client.close()


def test_swift_refuses_a_wrong_secret_and_an_unknown_key(swift_server: S3Server) -> None:
    for wrong in ({"secret_access_key": "guess"}, {"access_key_id": "test:nobody"}):
        store = open_store(f"s3://{BUCKET}", **{**swift_server.options, **wrong})
        with pytest.raises(AccessDenied, match="Check access key"):
            store.put(KEY, b"x")
        with pytest.raises(AccessDenied):
            store.get(KEY)
        with pytest.raises(Misconfigured, match="right to put"):
            store.check()


@pytest.mark.parametrize("checksum", ["when_supported", "when_required"])
def test_swift_refuses_bytes_that_changed_on_the_way(
    swift_server: S3Server, checksum: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right_sha256, right_md5 = s3_upload.sha256_header, s3_upload.md5_header
    monkeypatch.setattr(s3_upload, "sha256_header", lambda content: right_sha256(content + b"!"))
    monkeypatch.setattr(s3_upload, "md5_header", lambda content: right_md5(content + b"!"))
    store = open_store(f"s3://{BUCKET}/digests", checksum=checksum, **swift_server.options)
    with pytest.raises(ChecksumMismatch) as caught:
        store.put(KEY, b"x" * 1000)
    assert caught.value.retryable
    with pytest.raises(NotFound):
        store.head(KEY)


def test_objects_survive_swift_being_killed(tmp_path: Path) -> None:
    with swift(tmp_path) as server:
        server.make_bucket("kept")
        with open_store("s3://kept", **server.options) as store:
            written = store.put(KEY, b"a clip", content_type="video/mp4", metadata={"job": "1"})
        server.process.kill()
    with swift(tmp_path) as server, open_store("s3://kept", **server.options) as store:
        assert store.head(KEY) == written
        assert store.get(KEY) == b"a clip"
