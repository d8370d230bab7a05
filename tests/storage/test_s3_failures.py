"""Servers that are dead, silent, busy, cut short, misnamed or older than conditional writes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from storage import S3Store, open_store
from storage.errors import AlreadyExists, ChecksumMismatch, Misconfigured, Unreachable
from tests.servers.moto import moto
from tests.servers.s3_server import S3Server
from tests.servers.scripted import Answer, Request, scripted

KEY = "out/job-1/clip.mp4"
NO_SUCH_KEY = Answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")


def scripted_store(endpoint: str, **options: Any) -> S3Store:
    credentials = {"access_key_id": "id", "secret_access_key": "secret"}
    store = open_store("s3://bucket", endpoint=endpoint, **{"max_attempts": 1, **credentials, **options})
    assert isinstance(store, S3Store)
    return store


def test_a_server_that_dies_is_unreachable_and_worth_another_try() -> None:
    with moto() as server:
        server.make_bucket("bucket")
        store = open_store("s3://bucket", max_attempts=1, **server.options)
        store.check()
    for ask in (store.check, lambda: store.put(KEY, b"x"), lambda: store.get(KEY), lambda: list(store.list())):
        with pytest.raises(Unreachable, match="Check that the endpoint is up") as caught:
            ask()
        assert caught.value.retryable


def test_a_server_that_says_nothing_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with scripted_store(endpoint, read_timeout_seconds=0.2) as store, pytest.raises(Unreachable):
            store.get(KEY)


def test_a_bucket_that_is_not_there_is_a_misconfiguration(swift_server: S3Server) -> None:
    with open_store("s3://no-such-bucket", **swift_server.options) as store:
        with pytest.raises(Misconfigured, match=r"NoSuchBucket.*Check endpoint"):
            store.check()
        with pytest.raises(Misconfigured, match="NoSuchBucket"):
            list(store.list())


def test_no_credentials_at_all_is_a_misconfiguration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Misconfigured, match="credentials"):
        open_store("s3://bucket?endpoint=http://127.0.0.1:1").check()


def test_a_busy_server_is_asked_again() -> None:
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        return Answer(503, b"<Error><Code>SlowDown</Code></Error>") if len(asked) < 2 else Answer(body=b"content")

    with scripted(answer) as endpoint, scripted_store(endpoint, max_attempts=3) as store:
        assert store.get(KEY) == b"content"
    assert asked == ["GET", "GET"]


def test_a_server_that_stays_busy_is_given_up() -> None:
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        return Answer(500, b"")

    with (
        scripted(answer) as endpoint,
        scripted_store(endpoint, max_attempts=2) as store,
        pytest.raises(Unreachable, match="500"),
    ):
        store.put(KEY, b"x")
    assert asked == ["PUT", "PUT"]


def test_half_an_answer_is_not_an_object() -> None:
    half = Answer(body=b"x" * 5000, announced_bytes=10_000)
    with scripted(lambda _: half) as endpoint, scripted_store(endpoint) as store:
        with pytest.raises(Unreachable):
            store.get(KEY)
        with store.open(KEY) as stream, pytest.raises(Unreachable):
            stream.read()


def test_other_bytes_than_were_stored_are_told() -> None:
    wrong = Answer(body=b"other bytes", headers={"x-amz-meta-sha256": "0" * 64})
    with (
        scripted(lambda _: wrong) as endpoint,
        scripted_store(endpoint) as store,
        pytest.raises(ChecksumMismatch, match="0000"),
    ):
        store.get(KEY)


def test_if_absent_works_on_a_server_without_conditional_writes() -> None:
    """Such a server answers 501; the question asked before the write must do (and is no lock)."""
    objects: dict[str, Request] = {}

    def answer(request: Request) -> Answer:
        if request.method == "PUT" and "if-none-match" in request.headers:
            return Answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        if request.method == "PUT":
            objects[request.path] = request
            return Answer(headers={"ETag": '"e"'})
        found = objects.get(request.path)
        if found is None:
            return NO_SUCH_KEY
        digest = {"x-amz-meta-sha256": found.headers["x-amz-meta-sha256"], "ETag": '"e"'}
        return Answer(headers=digest, announced_bytes=len(b"first"))

    with scripted(answer) as endpoint, scripted_store(endpoint, checksum="when_required") as store:
        store.put(KEY, b"first", if_absent=True)
        assert store.put(KEY, b"first", if_absent=True).size_bytes == 5
        with pytest.raises(AlreadyExists):
            store.put(KEY, b"second", if_absent=True)


def test_if_absent_forgives_its_own_write_whose_answer_was_lost() -> None:
    """The first attempt wrote and the answer was lost: the repeat meets 412, and the bytes there are ours."""
    objects: dict[str, Request] = {}

    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            lost = request.path not in objects
            objects[request.path] = request
            return Answer(500 if lost else 412, b"<Error><Code>PreconditionFailed</Code></Error>" * (not lost))
        if request.path not in objects:
            return NO_SUCH_KEY
        digest = {"x-amz-meta-sha256": objects[request.path].headers["x-amz-meta-sha256"], "ETag": '"e"'}
        return Answer(headers=digest, announced_bytes=5)

    options = {"checksum": "when_required", "max_attempts": 2}
    with scripted(answer) as endpoint, scripted_store(endpoint, **options) as store:
        assert store.put(KEY, b"first", if_absent=True).size_bytes == 5


@pytest.mark.parametrize("checksum", ["when_supported", "when_required"])
def test_the_checksum_mode_decides_which_headers_are_sent(checksum: str) -> None:
    sent: list[Request] = []

    def answer(request: Request) -> Answer:
        sent.append(request)
        return Answer(headers={"ETag": '"e"'})

    with scripted(answer) as endpoint, scripted_store(endpoint, checksum=checksum) as store:
        store.put(KEY, b"content", cache_control="no-store")
    headers = sent[0].headers
    assert headers["cache-control"] == "no-store"
    newer = [
        name for name in headers if name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer"))
    ]
    if checksum == "when_required":
        assert newer == []
        assert "content-md5" in headers
    else:
        assert "x-amz-checksum-sha256" in headers
        assert not any("crc32" in name for name in newer)
