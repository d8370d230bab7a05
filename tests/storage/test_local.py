"""What only a folder can get wrong: leaving its root, half-written files, crashes, damage, leftovers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import LocalStore
from storage.arguments import check_key
from storage.errors import AccessDenied, AlreadyExists, ChecksumMismatch, InvalidKey, Misconfigured, StorageError

KEY = "out/job-1/0.png"


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


hostile_part = st.one_of(
    st.sampled_from(
        ["..", ".", "", "~", "a", "b~meta.json", "c\\d", "e\0f", "-", "%2e%2e", "ü", "con", "g" * 300]
    ),
    st.text(max_size=8),
    st.from_regex(r"[A-Za-z0-9._=+,@:-]{1,20}", fullmatch=True),
)
hostile_key = st.one_of(st.text(max_size=40), st.lists(hostile_part, max_size=6).map("/".join))


@settings(max_examples=150, deadline=None)
@given(key=hostile_key, content=st.binary(max_size=32))
def test_no_key_leaves_the_root(key: str, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the key, it is refused or its files are inside; nothing beside the root is made or changed."""
    around = tmp_path_factory.mktemp("around")
    (around / "neighbour").write_bytes(b"untouched")
    store = LocalStore(around / "objects")
    try:
        store.put(key, content)
    except InvalidKey:
        assert files_below(around / "objects") == set()
    else:
        assert store.get(key) == content
        assert [row.key for row in store.list()] == [key]
        assert len(files_below(around / "objects")) == 2
        store.delete(key)
        assert list((around / "objects").iterdir()) == []
    assert {path.name for path in around.iterdir()} == {"neighbour", "objects"}
    assert (around / "neighbour").read_bytes() == b"untouched"
    shutil.rmtree(around)


@given(key=hostile_key)
def test_an_accepted_key_is_made_of_plain_names(key: str) -> None:
    with suppress(InvalidKey):
        parts = check_key(key)
        assert "/".join(parts) == key
        assert not {"", ".", ".."} & set(parts)
        assert not set(key) & set("\\~\0% \n")


def test_planted_links_are_not_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = LocalStore(tmp_path / "outside")
    outside.put("secret", b"secret")
    (root / "out").symlink_to(tmp_path / "outside")
    for ask in (store.get, store.head, store.open, store.delete):
        with pytest.raises(InvalidKey):
            ask("out/secret")
    with pytest.raises(InvalidKey):
        store.put("out/new", b"x")
    assert list(store.list()) == []
    store.sweep_abandoned(older_than_seconds=-60)
    assert outside.get("secret") == b"secret"
    assert [row.key for row in outside.list()] == ["secret"]


def test_a_planted_link_in_place_of_an_object_is_not_followed(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    target = tmp_path / "passwd"
    target.write_bytes(b"secret")
    store.put(KEY, b"mine")
    blob = next(path for path in (root / "out/job-1").iterdir() if path.suffix == ".png")
    blob.unlink()
    blob.symlink_to(target)
    with pytest.raises(StorageError):
        store.get(KEY)
    sidecar = root / "out/job-1/0.png~meta.json"
    sidecar.write_text(sidecar.read_text().replace(blob.name, "../../../passwd"))
    with pytest.raises(ChecksumMismatch, match="not a file of ours"):
        store.get(KEY)


def test_a_key_may_also_be_the_folder_of_others(store: LocalStore) -> None:
    for key in ("a", "a/b", "a/b/c", "a.json", "a~meta.json"[:1] + ".png"):
        store.put(key, key.encode())
    assert store.get("a") == b"a"
    assert store.get("a/b") == b"a/b"
    store.delete("a/b")
    assert store.get("a/b/c") == b"a/b/c"
    store.delete("a/b/c")
    assert store.get("a") == b"a"


def test_damage_on_the_disk_is_told_and_never_served(store: LocalStore, root: Path) -> None:
    written = store.put(KEY, b"a picture of some length")
    blob = next(path for path in (root / "out/job-1").iterdir() if path.suffix == ".png")
    blob.write_bytes(b"a picture of sOme length")
    with pytest.raises(ChecksumMismatch, match="damaged"):
        store.get(KEY)
    blob.write_bytes(b"a pic")
    with pytest.raises(ChecksumMismatch, match="5 bytes"):
        store.verify(written)
    blob.unlink()
    with pytest.raises(ChecksumMismatch, match="gone"):
        store.get(KEY)
    (root / "out/job-1/0.png~meta.json").write_text("{")
    with pytest.raises(ChecksumMismatch, match="side-car"):
        store.head(KEY)
    store.put(KEY, b"again")
    assert store.get(KEY) == b"again"


def test_a_failed_put_leaves_no_file(store: LocalStore, root: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        store.put(KEY, b"x", sha256=hashlib.sha256(b"y").hexdigest())
    assert files_below(root) == set()
    store.put(KEY, b"x")
    with pytest.raises(ChecksumMismatch):
        store.put(KEY, b"x", sha256=hashlib.sha256(b"y").hexdigest())
    assert len(files_below(root)) == 2


def test_overwriting_leaves_no_old_bytes_and_keeps_the_extension(store: LocalStore, root: Path) -> None:
    for number in range(5):
        store.put(KEY, str(number).encode())
    names = sorted(path.name for path in (root / "out/job-1").iterdir())
    assert [name.rpartition("~")[2] for name in names if name.endswith(".json")] == ["meta.json"]
    assert [name for name in names if name.startswith("0~") and name.endswith(".png")] == names[1:]
    assert json.loads((root / "out/job-1/0.png~meta.json").read_text())["blob"] in names


def test_neighbours_coming_and_going_do_not_disturb_each_other(store: LocalStore, root: Path) -> None:
    """Deletes remove the folder that puts have just made; every put still finds one."""

    def come_and_go(name: str) -> None:
        for number in range(40):
            store.put(f"deep/er/{name}", str(number).encode())
            assert store.get(f"deep/er/{name}") == str(number).encode()
            store.delete(f"deep/er/{name}")

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(come_and_go, f"{n}.png") for n in range(6)]:
            done.result()
    assert list(root.iterdir()) == []


def test_one_of_many_racing_writers_finds_a_key_absent(store: LocalStore) -> None:
    def claim(writer: int) -> int | None:
        try:
            store.put(KEY, str(writer).encode(), if_absent=True)
        except AlreadyExists:
            return None
        return writer

    for _ in range(10):
        with ThreadPoolExecutor(8) as pool:
            winners = [winner for winner in pool.map(claim, range(8)) if winner is not None]
        assert [store.get(KEY)] == [str(winner).encode() for winner in winners]
        store.delete(KEY)


def test_a_folder_that_cannot_be_used_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misconfigured, match=r"file.*Name a folder"):
        LocalStore(tmp_path / "file")
    with pytest.raises(Misconfigured):
        LocalStore(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_refused_at_start(root: Path, store: LocalStore) -> None:
    root.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(AccessDenied):
            store.put(KEY, b"x")
        with pytest.raises(Misconfigured, match="right to put"):
            store.check()
    finally:
        root.chmod(stat.S_IRWXU)


def test_a_root_that_disappears_is_an_error_and_not_an_empty_store(store: LocalStore, root: Path) -> None:
    root.rmdir()
    for ask in (store.get, store.head, store.delete):
        with pytest.raises(Misconfigured, match="is gone"):
            ask(KEY)
    with pytest.raises(Misconfigured, match="is gone"):
        store.put(KEY, b"x")
    with pytest.raises(Misconfigured, match="is gone"):
        list(store.list())
