"""Links: on the local store checked by us, on S3 by the server; each is fetched as a browser would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import LocalStore, ObjectStore, open_store
from storage.errors import InvalidArgument, LinkRefused, Misconfigured
from storage.links import Link, content_disposition, sign, verify
from tests.servers.s3_server import S3Server
from tests.storage.conftest import BUCKET

SECRET = b"a secret of the tests"
NOW = 1_800_000_000


def parsed(link: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(link)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))


def test_a_local_link_grants_what_it_says_until_it_expires(tmp_path: Path) -> None:
    clock = [float(NOW)]
    store = LocalStore(
        tmp_path, signing_secret=SECRET, link_base="https://host/v1/objects/", clock=lambda: clock[0]
    )
    link = store.presign_get("out/0.png", 60, filename="a cät & mouse.png", content_type="image/png")
    assert link.startswith("https://host/v1/objects/out/0.png?expires=1800000060&")
    _, query = parsed(link)
    granted = Link("out/0.png", NOW + 60, "a cät & mouse.png", "image/png")
    assert store.verify_presigned("out/0.png", query) == granted
    clock[0] += 59.9
    assert store.verify_presigned("out/0.png", query) == granted
    clock[0] += 0.1
    with pytest.raises(LinkRefused, match="expired"):
        store.verify_presigned("out/0.png", query)


def test_a_local_store_without_a_secret_signs_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(Misconfigured, match="signing_secret"):
        store.presign_get("key", 60)
    with pytest.raises(Misconfigured, match="signing_secret"):
        store.verify_presigned("key", {})


texts = st.one_of(st.none(), st.text(max_size=12))


@given(
    key=st.from_regex(r"[a-z]{1,4}(/[a-z0-9.]{1,4}){0,2}", fullmatch=True),
    life=st.integers(1, 10**6),
    filename=texts,
    content_type=texts,
    other=st.tuples(st.sampled_from(["key", "expires", "filename", "type", "signature"]), st.text(max_size=12)),
    drop=st.booleans(),
)
def test_any_change_to_a_local_link_voids_it(
    key: str, life: int, filename: str | None, content_type: str | None, other: tuple[str, str], drop: bool
) -> None:
    link = Link(key, NOW + life, filename, content_type)
    path, query = parsed("/" + sign(link, SECRET))
    assert verify(path[1:], query, SECRET, NOW) == link
    with pytest.raises(LinkRefused):
        verify(path[1:], query, b"another secret of the tests", NOW)
    changed = {"key": key, **query}
    name, value = other
    if drop:
        changed.pop(name, None)
    else:
        changed[name] = value
    if changed != {"key": key, **query}:
        with pytest.raises(LinkRefused):
            verify(changed.pop("key", ""), changed, SECRET, NOW)


@given(name=st.text(max_size=60))
def test_a_file_name_cannot_break_out_of_its_header(name: str) -> None:
    try:
        header = content_disposition(name)
    except InvalidArgument:
        return
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


@pytest.fixture(params=["moto", "swift"])
def s3_store(request: pytest.FixtureRequest) -> ObjectStore:
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    return open_store(f"s3://{BUCKET}/links", **server.options)


def test_an_s3_link_gives_the_object_to_anyone(s3_store: ObjectStore) -> None:
    s3_store.put("0.png", b"a picture", content_type="image/png")
    plain = httpx.get(s3_store.presign_get("0.png", 60))
    assert (plain.status_code, plain.content, plain.headers["content-type"]) == (200, b"a picture", "image/png")
    named = httpx.get(s3_store.presign_get("0.png", 60, filename="cät.webp", content_type="image/webp"))
    assert named.headers["content-type"] == "image/webp"
    assert named.headers["content-disposition"] == content_disposition("cät.webp")
    assert httpx.get(s3_store.presign_get("missing", 60)).status_code == 404


def test_swift_refuses_a_link_that_was_altered_or_has_expired(
    swift_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"s3://{BUCKET}/links", **swift_server.options)
    store.put("0.png", b"a picture")
    store.put("1.png", b"another picture")
    link = store.presign_get("0.png", 60)
    assert httpx.get(link).content == b"a picture"
    assert httpx.get(link.replace("0.png", "1.png")).status_code == 403
    assert httpx.get(link.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).status_code == 403
    assert httpx.get(link.partition("?")[0]).status_code in {400, 403}
    assert httpx.put(link, content=b"x").status_code == 403

    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: an_hour_ago.replace(tzinfo=None))
    stale = store.presign_get("0.png", 60)
    still_good = store.presign_get("0.png", 7200)
    monkeypatch.undo()
    assert httpx.get(stale).status_code == 403
    assert httpx.get(still_good).content == b"a picture"
