"""Inputs and outputs over HTTP: limits, signed links that expire, parts of files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from storage import LocalStore
from tests.api.conftest import Served, job_body, picture


@pytest.mark.parametrize("form", [True, False])
def test_an_upload_can_be_used_in_a_job(served: Served, http: httpx.Client, form: bool) -> None:
    if form:
        answer = http.post("/v1/uploads", files={"file": ("fox.png", picture(9), "image/png")})
    else:
        headers = {"content-type": "image/png", "x-filename": "fox.png"}
        answer = http.post("/v1/uploads", content=picture(9), headers=headers)
    assert answer.status_code == 201
    upload = answer.json()
    assert (upload["width"], upload["content_type"], upload["filename"]) == (9, "image/png", "fox.png")
    assert served.objects.get(upload["key"]) == picture(9)
    assert http.get(f"/v1/uploads/{upload['id']}").json() == upload
    assert http.post("/v1/jobs", json=job_body(task="edit", images=[upload["id"]])).status_code == 201


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 10_000


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"no picture", "image/png", 422, "invalid_media"),
        (picture()[:40], "image/png", 422, "invalid_media"),
        (b"", "image/png", 422, "invalid_media"),
        (picture(), "text/html", 400, "invalid_request"),
        (b"x" * 200_001, "image/png", 413, "payload_too_large"),
        (100, "image/png", 413, "payload_too_large"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b", 400, "invalid_request"),
        (b"", "multipart/form-data", 400, "invalid_request"),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused(
    served: Served, http: httpx.Client, content: bytes | int, kind: str, status: int, code: str
) -> None:
    before = len(list(served.objects.list("uploads/")))
    body = chunks(content) if isinstance(content, int) else content
    answer = http.post("/v1/uploads", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error_type"]) == (status, code)
    assert len(list(served.objects.list("uploads/"))) == before


def finished(served: Served, http: httpx.Client) -> dict[str, object]:
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    served.succeed(served.claim(job_id), picture())
    artifact: dict[str, object] = http.get(f"/v1/jobs/{job_id}").json()["artifacts"][0]
    return artifact


def test_an_artifact_is_found_by_its_id(served: Served, http: httpx.Client) -> None:
    artifact = finished(served, http)
    answer = http.get(f"/v1/artifacts/{artifact['id']}", follow_redirects=True)
    assert answer.content == picture()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/v1/artifacts/art_0_0").status_code == 404
    assert http.get(f"/v1/artifacts/{str(artifact['id'])[:-1]}7").status_code == 404


def test_a_link_is_good_for_its_object_only_and_ends(served: Served, http: httpx.Client) -> None:
    url = str(finished(served, http)["url"])
    parts = urlsplit(url)
    assert http.get(url.replace("signature=", "signature=0")).status_code == 403
    assert http.get(f"{parts.path}").status_code == 403
    other = str(finished(served, http)["key"])
    assert http.get(f"/v1/objects/{other}?{parts.query}").status_code == 403
    ends = int(parse_qs(parts.query)["expires"][0])
    assert 0 < ends - time.time() <= 3600
    secret = (served.objects._root.parent / "signing_secret").read_bytes()
    past = LocalStore(served.objects._root, signing_secret=secret, clock=lambda: 1_000_000.0)
    expired = http.get(f"/v1/objects/{past.presign_get(other, 60)}")
    assert (expired.status_code, expired.json()["error_type"]) == (403, "forbidden")
    assert "expired" in expired.json()["detail"]


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=4-", 206, slice(4, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=10-99999", 206, slice(10, None)),
        ("bytes=99999-", 416, slice(0, 0)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_a_player_may_ask_for_a_part(
    served: Served, http: httpx.Client, wanted: str, status: int, part: slice
) -> None:
    url = str(finished(served, http)["url"])
    answer = http.get(url, headers={"range": wanted})
    assert (answer.status_code, answer.content) == (status, picture()[part])
