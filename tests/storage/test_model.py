"""Random sequences of operations on a folder, compared step by step with a plain dictionary."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from storage import LocalStore
from storage.errors import AlreadyExists, ChecksumMismatch, NotFound

# Few names, made to collide: as folder and object, with each other's side-cars, around the slash in byte order.
keys = st.sampled_from(["a", "a/b", "a/b/c", "a.png", "a-b", "a0", "b/meta.json", "b/a.png", "b"])
contents = st.sampled_from([b"", b"x", b"y", b"x" * 1000])


class StoreMachine(RuleBasedStateMachine):
    """The store must answer as the dictionary does, and keep no file that no object needs."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="storage-model-"))
        self.store = LocalStore(self.root)
        self.model: dict[str, bytes] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(key=keys, content=contents)
    def put(self, key: str, content: bytes) -> None:
        self.store.put(key, content)
        self.model[key] = content

    @rule(key=keys, content=contents)
    def put_if_absent(self, key: str, content: bytes) -> None:
        if self.model.get(key, content) != content:
            with pytest.raises(AlreadyExists):
                self.store.put(key, content, if_absent=True)
            return
        self.store.put(key, content, if_absent=True)
        self.model[key] = content

    @rule(key=keys, content=contents)
    def put_announcing_other_bytes(self, key: str, content: bytes) -> None:
        with pytest.raises(ChecksumMismatch):
            self.store.put(key, content, sha256=hashlib.sha256(content + b"!").hexdigest())

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.store.delete(key)
        self.model.pop(key, None)

    @rule(key=keys)
    def get(self, key: str) -> None:
        if key in self.model:
            assert self.store.get(key) == self.model[key]
            assert self.store.head(key).size_bytes == len(self.model[key])
            return
        with pytest.raises(NotFound):
            self.store.get(key)

    @rule(prefix=st.sampled_from(["", "a", "a/", "a/b", "b/", "c"]), after=st.one_of(st.just(""), keys))
    def list(self, prefix: str, after: str) -> None:
        listed = [row.key for row in self.store.list(prefix, after)]
        assert listed == sorted(key for key in self.model if key.startswith(prefix) and key > after)

    @rule()
    def sweep(self) -> None:
        assert self.store.sweep_abandoned(older_than_seconds=-60) == 0

    @invariant()
    def two_files_an_object_and_no_empty_folder(self) -> None:
        everything = sorted(self.root.rglob("*"))
        assert sum(path.is_file() for path in everything) == 2 * len(self.model)
        assert all(any(path.iterdir()) for path in everything if path.is_dir())


StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestLocalStore = StoreMachine.TestCase
