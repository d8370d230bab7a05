"""The stores under test: one folder, moto for breadth, Swift for signatures, in both checksum modes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import LocalStore, ObjectStore, open_store
from tests.servers.moto import moto
from tests.servers.s3_server import S3Server
from tests.servers.swift import swift

BUCKET = "conformance"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    with moto() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with swift(tmp_path_factory.mktemp("swift")) as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def local_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects", signing_secret=b"a secret of the tests")


@pytest.fixture(scope="session", params=["local", "moto", "swift", "swift-when-required"])
def opened_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectStore]:
    """One store of each kind; making an S3 client takes longer than most tests."""
    if request.param == "local":
        yield LocalStore(tmp_path_factory.mktemp("objects"), signing_secret=b"a secret of the tests")
        return
    kind, _, checksum = request.param.partition("-")
    server: S3Server = request.getfixturevalue(f"{kind}_server")
    mode = checksum.replace("-", "_") or "when_supported"
    with open_store(f"s3://{BUCKET}/{secrets.token_hex(6)}?checksum={mode}", **server.options) as opened:
        yield opened


@pytest.fixture
def store(opened_store: ObjectStore) -> Iterator[ObjectStore]:
    """An empty store of each kind."""
    yield opened_store
    opened_store.delete_many([row.key for row in opened_store.list()])
