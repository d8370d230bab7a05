"""Outputs as small pictures: small indeed, for their account only, kept by browsers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

from omni_jobs.api.shelf import SIDE, Shelf, shrunk
from tests.api.conftest import Served, job_body, picture
from tests.servers.processes import api


def drawn(served: Served, http: httpx.Client, content: bytes) -> str:
    """The id of an output with these bytes."""
    job_id = http.post("/v1/jobs", json=job_body()).json()["id"]
    return served.succeed(served.claim(job_id), content).artifacts[0].id


def test_a_thumbnail_is_small_and_kept_for_good(served: Served, http: httpx.Client) -> None:
    path = f"/v1/artifacts/{drawn(served, http, picture(1500))}/thumbnail"
    shown = http.get(path)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert Image.open(BytesIO(shown.content)).size == (SIDE, SIDE)
    assert shown.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert shown.headers["vary"] == "authorization"
    again = http.get(path, headers={"if-none-match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_thumbnail_is_guarded_as_its_output_is(served: Served, http: httpx.Client, tmp_path: Path) -> None:
    path = f"/v1/artifacts/{drawn(served, http, picture())}/thumbnail"
    _, other = served.store.issue_key("other")
    _, own = served.store.issue_key("default")
    with api(tmp_path, **served.environment, require_keys=True) as url:
        answers = [
            httpx.get(url + path, headers=headers).status_code
            for headers in ({}, {"authorization": f"Bearer {other}"}, {"authorization": f"Bearer {own}"})
        ]
    assert answers == [401, 404, 200]


def test_what_is_no_picture_has_no_thumbnail(served: Served, http: httpx.Client) -> None:
    answer = http.get(f"/v1/artifacts/{drawn(served, http, b'no picture')}/thumbnail")
    assert (answer.status_code, answer.json()["error_type"]) == (404, "not_found")


def test_every_kind_of_pixels_is_shrunk() -> None:
    for mode, kept in (("P", "RGB"), ("I;16", "RGB"), ("LA", "RGBA"), ("1", "RGB"), ("CMYK", "RGB")):
        file = BytesIO()
        Image.new(mode, (900, 300)).save(file, "TIFF" if mode == "CMYK" else "PNG")
        with Image.open(BytesIO(shrunk(file.getvalue()))) as small:
            assert (small.size, small.mode) == ((SIDE, SIDE // 3), kept)


def test_the_shelf_holds_the_latest_within_its_bytes() -> None:
    shelf = Shelf(max_bytes=10)
    for name in "abc":
        shelf.put(name, b"12345")
        shelf.get("a")
    assert [shelf.get(name) for name in "abc"] == [b"12345", None, b"12345"]
