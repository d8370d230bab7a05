"""One line of configuration opens the right store, and a wrong line says what is wrong without telling secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storage import LocalStore, S3Store, open_store
from storage.errors import InvalidKey, Misconfigured

SECRET = "s3cr3t-s3cr3t-s3cr3t"


def test_a_folder_by_path_and_by_address(tmp_path: Path) -> None:
    for address in (str(tmp_path / "a b"), f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b"):
        with open_store(address) as store:
            assert isinstance(store, LocalStore)
            store.put("key", address.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]
    assert open_store(str(tmp_path / "a b")).get("key") == address.encode()


def test_options_in_the_address_are_overruled_by_arguments() -> None:
    address = "s3://bucket/some/prefix?endpoint=http://127.0.0.1:1&region=eu-west-3&path_style=1"
    with open_store(
        address, endpoint="https://s3.example.com", access_key_id="id", secret_access_key=SECRET
    ) as s3:
        assert isinstance(s3, S3Store)
        link = s3.presign_get("key", 60)
    assert link.startswith("https://s3.example.com/bucket/some/prefix/key?")
    assert "eu-west-3" in link


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({}, "https://bucket.s3.amazonaws.com/key?"),
        ({"region": "eu-west-3"}, "https://bucket.s3.eu-west-3.amazonaws.com/key?"),
        ({"path_style": True}, "https://s3.amazonaws.com/bucket/key?"),
        ({"endpoint": "http://inside:9000"}, "http://inside:9000/bucket/key?"),
        ({"endpoint": "http://inside:9000", "path_style": "0"}, "http://bucket.inside:9000/key?"),
        ({"endpoint": "http://inside:9000", "public_endpoint": "https://cdn.io"}, "https://cdn.io/bucket/key?"),
    ],
)
def test_links_point_where_their_holders_can_reach(options: dict[str, Any], start: str) -> None:
    with open_store("s3://bucket", access_key_id="id", secret_access_key=SECRET, **options) as store:
        link = store.presign_get("key", 3600)
    assert link.startswith(start)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert "X-Amz-Expires=3600" in link


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("s3://bucket?regoin=x", {}, r"'regoin'.*Did you mean 'region'"),
        ("s3://bucket?zzz=x", {}, r"'zzz'.*Known: .*endpoint"),
        ("s3://bucket", {"sekret_access_key": "x"}, r"Did you mean 'secret_access_key'"),
        ("s3://bucket?path_style=yes", {}, r"'path_style' is 'yes': must be 0 or 1"),
        ("s3://bucket?max_attempts=0", {}, r"'max_attempts'.*above 0"),
        ("s3://bucket?read_timeout_seconds=nan", {}, r"'read_timeout_seconds'.*above 0"),
        ("s3://bucket?checksum=always", {}, r"'checksum'.*when_required"),
        ("s3://bucket?endpoint=minio:9000", {}, r"'endpoint'.*http"),
        ("s3://", {}, r"s3://bucket/prefix"),
        ("gs://bucket", {}, r"gs://bucket.*s3://bucket/prefix"),
        ("file://host/path", {}, r"file:///path"),
        ("file:///tmp/x#y", {}, r"%23"),
        ("s3://bucket", {"access_key_id": "id"}, r"go together"),
        ("s3://bucket?signing_secret=x", {}, r"credential"),
        ("/tmp/never-made", {"region": "x"}, r"'region'"),
        ("/tmp/never-made", {"signing_secret": b"short"}, r"shorter than 16"),
    ],
)
def test_a_wrong_line_is_refused_with_the_remedy(address: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        open_store(address, **options)


@pytest.mark.parametrize(
    "address",
    [
        f"s3://id:{SECRET}@bucket/prefix",
        f"s3://bucket?secret_access_key={SECRET}&access_key_id={SECRET}",
        f"s3://bucket?SECRET_ACCESS_KEY={SECRET}",
        f"s3://bucket?endpoint=http://id:{SECRET}@host:9000",
        f"file:///tmp/x?signing_secret={SECRET}",
    ],
)
def test_a_credential_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        open_store(address)
    assert SECRET not in str(caught.value)


def test_no_face_of_a_store_shows_a_secret(tmp_path: Path) -> None:
    options = {"access_key_id": "id", "secret_access_key": SECRET, "session_token": SECRET}
    with open_store("s3://bucket/prefix?endpoint=http://127.0.0.1:1&max_attempts=1", **options) as store:
        assert repr(store) == "S3Store('s3://bucket/prefix/' at http://127.0.0.1:1)"
        with pytest.raises(Exception) as caught:
            store.check()
        assert SECRET not in repr(caught.value)
    local = LocalStore(tmp_path, signing_secret=SECRET.encode())
    assert SECRET not in repr(local) + local.presign_get("key", 60)


def test_a_prefix_is_a_key() -> None:
    with pytest.raises(InvalidKey):
        open_store("s3://bucket/a/../b", access_key_id="id", secret_access_key=SECRET)


def test_the_package_is_a_leaf_and_light(tmp_path: Path) -> None:
    """Importing it, or a local store, brings in neither boto3 nor the rest of the project."""
    program = (
        "import sys, storage; storage.open_store(sys.argv[1]).check(); "
        "print(sorted({'boto3', 'botocore', 'omni_jobs', 'workers', 'torch'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2], text=True)
    assert done.stdout.strip() == "[]"
