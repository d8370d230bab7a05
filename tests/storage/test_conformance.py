"""What every store promises, asked of each of them; a new kind of store is added to the fixture alone."""

from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from storage import ObjectInfo, ObjectStore
from storage.errors import AlreadyExists, ChecksumMismatch, InvalidArgument, InvalidKey, NotFound
from storage.payload import Data

KEY = "out/job-1/2/0.png"


class Unseekable(io.BytesIO):
    """A stream as a socket or a pipe gives it."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")


def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [row.key for row in store.list(prefix, start_after)]


def test_an_object_comes_back_with_everything_said_about_it(store: ObjectStore) -> None:
    content = bytes(range(256)) * 40
    written = store.put(
        KEY,
        content,
        content_type="image/png",
        metadata={"job": "job-1", "note": "two words; 100%"},
        cache_control="private, max-age=60",
    )
    assert store.get(KEY) == content
    assert store.head(KEY) == written
    assert written == ObjectInfo(
        key=KEY,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content_type="image/png",
        metadata={"job": "job-1", "note": "two words; 100%"},
        cache_control="private, max-age=60",
        etag=written.etag,
    )
    store.verify(written)


def test_bytes_paths_and_streams_are_stored_alike(store: ObjectStore, tmp_path: Path) -> None:
    content = b"frame" * 50_000
    file = tmp_path / "clip.mp4"
    file.write_bytes(content)
    begun = io.BytesIO(b"header" + content)
    begun.seek(6)
    forms: dict[str, Data] = {"bytes": content, "path": file, "begun": begun, "pipe": Unseekable(content)}
    for name, data in forms.items():
        assert store.put(name, data).size_bytes == len(content)
        assert store.get(name) == content
    assert not begun.closed


def test_a_stream_is_read_piece_by_piece(store: ObjectStore) -> None:
    store.put(KEY, b"0123456789" * 100_000)
    with store.open(KEY) as stream:
        assert stream.read(5) == b"01234"
        assert stream.read(5) == b"56789"
        assert len(stream.read()) == 999_990
        assert stream.read(1) == b""


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put(KEY, b"")
    assert store.get(KEY) == b""
    assert store.head(KEY).size_bytes == 0


def test_putting_again_replaces_bytes_and_facts(store: ObjectStore) -> None:
    store.put(KEY, b"old and longer", content_type="image/png", metadata={"attempt": "1"})
    store.put(KEY, b"new", content_type="image/webp")
    assert store.get(KEY) == b"new"
    assert store.head(KEY).content_type == "image/webp"
    assert store.head(KEY).metadata == {}


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    for ask in (store.get, store.head, store.open):
        with pytest.raises(NotFound, match="missing/object"):
            ask("missing/object")
    store.delete("missing/object")
    store.delete_many(["missing/object", "another"])
    assert keys(store) == []


def test_deleting_removes_exactly_what_was_named(store: ObjectStore) -> None:
    for key in ("a/1", "a/2", "a/3", "b"):
        store.put(key, key.encode())
    store.delete("a/1")
    store.delete_many(["a/2", "b"])
    assert keys(store) == ["a/3"]
    with pytest.raises(NotFound):
        store.get("a/1")


def test_bytes_with_another_digest_than_announced_are_refused(store: ObjectStore) -> None:
    right = hashlib.sha256(b"content").hexdigest()
    store.put(KEY, b"content", sha256=right)
    with pytest.raises(ChecksumMismatch, match=KEY):
        store.put(KEY, b"cOntent", sha256=right)
    with pytest.raises(ChecksumMismatch):
        store.put("other", b"cOntent", sha256=right)
    assert store.get(KEY) == b"content"
    assert keys(store) == [KEY]


def test_if_absent_keeps_the_first_and_forgives_a_repeat(store: ObjectStore) -> None:
    first = store.put(KEY, b"first", metadata={"attempt": "1"}, if_absent=True)
    assert store.put(KEY, b"first", metadata={"attempt": "1"}, if_absent=True) == first
    with pytest.raises(AlreadyExists, match=KEY):
        store.put(KEY, b"second", if_absent=True)
    assert store.get(KEY) == b"first"
    store.delete(KEY)
    store.put(KEY, b"second", if_absent=True)
    assert store.get(KEY) == b"second"


def test_verify_notices_that_the_object_was_replaced(store: ObjectStore) -> None:
    written = store.put(KEY, b"mine")
    store.put(KEY, b"theirs")
    with pytest.raises(ChecksumMismatch, match="expected 4 bytes"):
        store.verify(written)
    with pytest.raises(NotFound):
        store.verify(replace(written, key="out/elsewhere"))


def test_listing_is_in_byte_order_of_the_whole_key(store: ObjectStore) -> None:
    names = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a0", "aB/x", "b/1", "b/10", "b/2"]
    for name in reversed(names):
        store.put(name, name.encode())
    assert keys(store) == sorted(names)
    assert keys(store, prefix="a/") == ["a/b", "a/b/c"]
    assert keys(store, prefix="a/b") == ["a/b", "a/b/c"]
    assert keys(store, prefix="b/1") == ["b/1", "b/10"]
    assert keys(store, start_after="a/b") == ["a/b/c", "a0", "aB/x", "b/1", "b/10", "b/2"]
    assert keys(store, prefix="a", start_after="a-b") == ["a.b/c", "a/b", "a/b/c", "a0", "aB/x"]
    assert keys(store, prefix="nothing") == []
    assert [row.size_bytes for row in store.list("b/")] == [3, 4, 3]
    assert all(row.modified_at.tzinfo is not None for row in store.list())


def test_a_key_that_any_store_would_refuse_is_refused_by_all(store: ObjectStore) -> None:
    bad = ["", "/a", "a//b", "a/", "../up", "a/../b", "./a", "a\\b", "a\0b", "a b", "a~b", "ü", "a" * 901]
    for key in (*bad, "a" * 201 + "/b"):
        for ask in (store.get, store.head, store.open, store.delete):
            with pytest.raises(InvalidKey):
                ask(key)
        with pytest.raises(InvalidKey):
            store.put(key, b"x")
        with pytest.raises(InvalidKey):
            store.presign_get(key, 60)
    assert keys(store) == []


def test_facts_that_cannot_travel_as_headers_are_refused(store: ObjectStore) -> None:
    names = ("Upper", "under_score", "sha256", "-a", "")
    values = ("é", " x", "x ", "", "x\r\nb: y", "x\0y")
    for name in names:
        with pytest.raises(InvalidArgument, match="metadata name"):
            store.put(KEY, b"x", metadata={name: "x"})
    for value in values:
        with pytest.raises(InvalidArgument, match="metadata 'a'"):
            store.put(KEY, b"x", metadata={"a": value})
    with pytest.raises(InvalidArgument, match="2000 bytes"):
        store.put(KEY, b"x", metadata={"long": "x" * 1996})
    with pytest.raises(InvalidArgument, match="content_type"):
        store.put(KEY, b"x", content_type="image/png\r\nset-cookie: a")
    assert keys(store) == []


def test_a_file_that_cannot_be_read_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"nothing\.png"):
        store.put(KEY, tmp_path / "nothing.png")


def test_writers_of_one_key_never_mix(store: ObjectStore) -> None:
    """Whoever reads while others write sees one writer's bytes with the same writer's facts."""
    store.put(KEY, b"0" * 70_000, metadata={"writer": "0"})
    stop = threading.Event()

    def write(writer: int) -> None:
        for _ in range(4):
            store.put(KEY, str(writer).encode() * 70_000, metadata={"writer": str(writer)})

    def read() -> set[bytes]:
        seen = set()
        while not stop.is_set():
            seen.add(store.get(KEY)[:1])  # get itself compares the digest
            info = store.head(KEY)
            content = info.metadata["writer"].encode() * 70_000
            assert info.sha256 == hashlib.sha256(content).hexdigest()
        return seen

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, writer) for writer in range(1, 6)]
        for writer in writers:
            writer.result()
        stop.set()
        assert all(reader.result() <= {str(n).encode() for n in range(6)} for reader in readers)
    assert keys(store) == [KEY]


def test_the_start_up_check_leaves_nothing_behind(store: ObjectStore) -> None:
    store.check()
    assert keys(store) == []
    assert store.sweep_abandoned(older_than_seconds=-60) == 0


def test_links_live_one_second_to_seven_days(store: ObjectStore) -> None:
    for seconds in (0, -1, 7 * 24 * 3600 + 1):
        with pytest.raises(InvalidArgument, match="expires_seconds"):
            store.presign_get(KEY, seconds)
    with pytest.raises(InvalidArgument, match="filename"):
        store.presign_get(KEY, 60, filename="../x")
