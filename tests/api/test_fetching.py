"""Pictures by URL: taken from hosts that the operator names, never from inside, whatever leads there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from omni_jobs.api.faces.pictures import given_text, stored_all, with_bytes
from omni_jobs.api.service import Service
from omni_jobs.errors import Forbidden, InputDownloadFailed, Misconfigured, OmniJobsError, TooLarge
from omni_jobs.fetching import Fetcher, FetchPolicy
from omni_jobs.settings import Settings
from omni_jobs.webhooks.addresses import Resolve
from tests.api.conftest import Served, picture
from tests.servers.names import resolving
from tests.servers.processes import api
from tests.servers.scripted import Answer, Request, scripted

PICTURE = Answer(200, picture(), {"Content-Type": "image/png"})


def fetch(
    url: str,
    allow: str,
    *,
    resolve: Resolve = socket.getaddrinfo,
    max_bytes: int = 100_000,
    timeout_seconds: float = 10,
) -> bytes:
    async def run() -> bytes:
        into = BytesIO()
        fetcher = Fetcher(
            FetchPolicy.parse(allow), max_bytes=max_bytes, timeout_seconds=timeout_seconds, resolve=resolve
        )
        await fetcher.fetch(url, into, "images.0")
        return into.getvalue()

    return asyncio.run(run())


def place_of(address: str) -> str:
    return address.removeprefix("http://")


def test_a_picture_is_taken_from_an_allowed_place() -> None:
    seen: list[Request] = []

    def serve(request: Request) -> Answer:
        seen.append(request)
        return PICTURE

    with scripted(serve) as address:
        assert fetch(f"{address}/a.png?b=c", place_of(address)) == picture()
    assert seen[0].path == "/a.png?b=c"
    assert not {"cookie", "authorization", "referer"} & {name.lower() for name in seen[0].headers}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "224.0.0.1",
    ],
)
def test_no_name_leads_inside(address: str) -> None:
    with pytest.raises(InputDownloadFailed, match="no public address"):
        fetch("http://pictures.example/a.png", "*", resolve=resolving({"pictures.example": address}))


def test_a_redirect_is_judged_as_the_first_url_was() -> None:
    seen: list[str] = []

    def inside(request: Request) -> Answer:
        seen.append(request.path)
        return PICTURE

    with scripted(inside) as target:
        leads = Answer(302, headers={"Location": f"{target}/secret"})
        with (
            scripted(lambda _: leads) as address,
            pytest.raises(InputDownloadFailed, match="may be asked"),
        ):
            fetch(address, place_of(address))
        assert seen == []
        with scripted(lambda _: leads) as address:
            assert fetch(address, f"{place_of(address)},{place_of(target)}") == picture()


def test_a_name_that_changes_its_mind_changes_nothing() -> None:
    """The address that was judged is the one connected to: there is no second look-up."""
    answers = resolving({"pictures.example": ["10.0.0.1", "127.0.0.1"]})
    with pytest.raises(InputDownloadFailed, match=r"10\.0\.0\.1"):
        fetch("http://pictures.example/", "*", resolve=answers)
    with scripted(lambda _: PICTURE) as address:
        port = address.rpartition(":")[2]
        once = resolving({"pictures.example": ["127.0.0.1"]})
        url = f"http://pictures.example:{port}/"
        assert fetch(url, f"pictures.example:{port}", resolve=once) == picture()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(404), InputDownloadFailed, "HTTP 404"),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), InputDownloadFailed, "no picture"),
        (Answer(200, b"x" * 3000, {"Content-Type": "image/png"}), TooLarge, "2000 bytes"),
        (Answer(302, headers={"Location": "file:///etc/passwd"}), InputDownloadFailed, "not http"),
        (Answer(302, headers={"Location": "/again"}), InputDownloadFailed, "more than 3 times"),
    ],
)
def test_what_is_no_picture_is_refused(answer: Answer, error: type[OmniJobsError], words: str) -> None:
    with scripted(lambda _: answer) as address, pytest.raises(error, match=words):
        fetch(address, place_of(address), max_bytes=2000)


def test_nobody_is_waited_for_longer_than_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputDownloadFailed, match=r"within 0\.2 s"):
            fetch(f"http://{place}/", place, timeout_seconds=0.2)


@pytest.mark.parametrize("url", ["http://user:word@a.example/", "ftp://a.example/", "http:///x", "a.png", ""])
def test_urls_of_no_use_are_refused(url: str) -> None:
    with pytest.raises(InputDownloadFailed):
        fetch(url, "*")


def test_the_setting_says_which_hosts() -> None:
    policy = FetchPolicy.parse("a.example, *.b.example, 10.0.0.5:9000")
    allowed = [("a.example", 443), ("x.b.example", 443), ("10.0.0.5", 9000)]
    refused = [("x.a.example", 443), ("b.example", 443), ("xb.example", 443), ("10.0.0.5", 80)]
    assert all(policy.allows(*one) for one in allowed)
    assert not any(policy.allows(*one) for one in refused)
    with pytest.raises(Forbidden, match="by URL"):
        fetch("http://a.example/", "")
    for wrong in ("https://a.example", "a*.example", "a.example/x", "a.example:port"):
        with pytest.raises(Misconfigured):
            FetchPolicy.parse(wrong)


def test_faces_take_urls_by_the_same_door(served: Served) -> None:
    """A client's retry under one key gets the same picture."""
    with scripted(lambda _: PICTURE) as address:
        settings = Settings.model_validate(served.environment | {"fetch_urls": place_of(address)})
        service = Service(settings, served.store, served.objects)
        given = [given_text(f"{address}/a.png", "images.0")]
        first, again = (
            asyncio.run(stored_all(service, "default", given, served.url, "retry-1")) for _ in range(2)
        )
        assert first == again
        (mask,) = given
        assert asyncio.run(with_bytes(service, "default", mask, served.url)).data == picture()
        ours = given_text(f"{served.url}/v1/uploads/{first[0]}", "mask")
        assert asyncio.run(with_bytes(service, "default", ours, served.url)) == ours
        assert served.store.upload("default", first[0]).width == 8
        inside = [given_text("http://127.0.0.1:1/a.png", "images.0")]
        with pytest.raises(InputDownloadFailed, match="may be asked"):
            asyncio.run(stored_all(service, "default", inside, served.url))


def test_an_upload_by_url(served: Served, tmp_path: Path, http: httpx.Client) -> None:
    serve: Callable[[Request], Answer] = lambda request: (  # noqa: E731
        PICTURE if request.path == "/a.png" else Answer(200, b"no", {"Content-Type": "image/png"})
    )
    with (
        scripted(serve) as address,
        api(tmp_path, **served.environment, fetch_urls=place_of(address)) as url,
        httpx.Client(base_url=url) as open_http,
    ):
        made = open_http.post("/v1/uploads", json={"url": f"{address}/a.png"})
        assert (made.status_code, made.json()["width"]) == (201, 8)
        broken = open_http.post("/v1/uploads", json={"url": f"{address}/b.png"})
        assert broken.json()["error"]["code"] == "invalid_media"
        elsewhere = open_http.post("/v1/uploads", json={"url": "http://169.254.169.254/latest/meta-data"})
        assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (422, "input_download_failed")
    off = http.post("/v1/uploads", json={"url": "http://a.example/a.png"})
    assert (off.status_code, off.json()["error"]["code"]) == (403, "forbidden")
