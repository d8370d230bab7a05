"""Input pictures by URL, off unless the operator says which hosts. The one place where a caller's URL is opened.

Each hop is judged anew: the name is resolved, every address it has must be public or allowed, and the address that
was judged is the one connected to. The API uses it for uploads and for the faces that take URLs.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from functools import cache
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpx

from omni_jobs import __version__
from omni_jobs.errors import Forbidden, InputDownloadFailed, Misconfigured, TooLarge
from omni_jobs.webhooks.addresses import Resolve, Target, judge, parse_allowed, split
from omni_jobs.webhooks.sender import host_header, url_at

ANY_HOST = "*"
MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Types that a picture may come as; what it is, its bytes say afterwards.
TYPES = ("image/", "application/octet-stream", "binary/octet-stream")
#: Downloads of one process at a time.
IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Which hosts may be asked: names, `*.name` for those below it, and places that need not be public."""

    names: frozenset[str]
    places: frozenset[tuple[str, int]]

    @classmethod
    def parse(cls, text: str) -> FetchPolicy:
        """From the setting `fetch_urls`: `*`, `name`, `*.name`, `host:port`, commas. Raises Misconfigured."""
        parts = [part.strip().lower() for part in text.split(",") if part.strip()]
        names = frozenset(part for part in parts if ":" not in part)
        for name in names:
            if name != ANY_HOST and ("*" in name.removeprefix("*.") or "/" in name):
                raise Misconfigured(
                    f"OMNI_FETCH_URLS: {name!r} is no host.",
                    field="fetch_urls",
                    value=name,
                    remedy="Write images.example.com, *.example.com, 10.0.0.5:9000, or * for all public hosts.",
                )
        try:
            places = parse_allowed(",".join(part for part in parts if ":" in part))
        except Misconfigured as error:
            raise Misconfigured(
                f"OMNI_FETCH_URLS: {error.value!r} is no host:port.", field="fetch_urls"
            ) from error
        return cls(names, places)

    @property
    def is_off(self) -> bool:
        return not (self.names or self.places)

    def allows(self, host: str, port: int) -> bool:
        """Whether this host may be asked at all; its addresses are judged besides."""
        if (host, port) in self.places or ANY_HOST in self.names or host in self.names:
            return True
        return any(name.startswith("*.") and host.endswith(name[1:]) for name in self.names)


class Fetcher:
    """Downloads within limits of time and size. No cookies, no proxies, no kept connections."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        max_bytes: int,
        timeout_seconds: float,
        resolve: Resolve = socket.getaddrinfo,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            max_bytes: of one download.
            timeout_seconds: for one download with all its redirects.
            trust: whose certificates are believed; the system's if absent.
        """
        self._policy = policy
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._trust = trust
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def fetch(self, url: str, into: IO[bytes], field: str) -> None:
        """Writes what is at a URL into a file.

        Raises:
            Forbidden: fetching is off. TooLarge.
            InputDownloadFailed: a host that may not be asked, no answer, no picture.
        """
        if self._policy.is_off:
            raise Forbidden(
                f"`{field}`: pictures by URL are not taken here.",
                field=field,
                remedy="Upload the picture, or have the operator set OMNI_FETCH_URLS.",
            )
        try:
            async with self._in_flight, asyncio.timeout(self._timeout_seconds):
                await self._follow(url, into, field)
        except TimeoutError:
            raise _failed(field, f"there was no whole answer within {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise _failed(field, f"{type(error).__name__}: {error}"[:300]) from error

    async def _follow(self, url: str, into: IO[bytes], field: str) -> None:
        client = httpx.AsyncClient(
            verify=self._trust or _system_trust(),
            trust_env=False,
            follow_redirects=False,
            timeout=self._timeout_seconds,
            headers={"user-agent": f"omni-jobs/{__version__}", "accept": "image/*", "accept-encoding": "identity"},
        )
        async with client:
            for _ in range(MAX_REDIRECTS + 1):
                target = await self._judged(url, field)
                extensions = {"sni_hostname": target.host}
                headers = {"host": host_header(target)}
                async with client.stream("GET", url_at(target), headers=headers, extensions=extensions) as answer:
                    if answer.status_code not in REDIRECTS:
                        await self._take(answer, into, field)
                        return
                    url = _next(url, answer, field)
        raise _failed(field, f"it leads on more than {MAX_REDIRECTS} times")

    async def _judged(self, url: str, field: str) -> Target:
        try:
            _, host, port = split(url)
            if not self._policy.allows(host, port):
                raise Forbidden(f"{host}:{port} is none of the hosts that may be asked.")
            return await asyncio.to_thread(judge, url, self._policy.places, resolve=self._resolve)
        except Forbidden as error:
            raise _failed(field, error.message) from error

    async def _take(self, answer: httpx.Response, into: IO[bytes], field: str) -> None:
        kind = answer.headers.get("content-type", TYPES[1])
        if answer.status_code != 200:
            raise _failed(field, f"HTTP {answer.status_code}")
        if not kind.lower().startswith(TYPES):
            raise _failed(field, f"it is {kind[:80]!r}, no picture")
        declared = answer.headers.get("content-length", "")
        self._check_size(int(declared) if declared.isascii() and declared.isdigit() else 0, field)
        taken = 0
        # Raw bytes: nothing is unpacked that was sent packed though we asked for plain.
        async for chunk in answer.aiter_raw():
            taken += len(chunk)
            self._check_size(taken, field)
            into.write(chunk)
        into.flush()

    def _check_size(self, size_bytes: int, field: str) -> None:
        if size_bytes > self._max_bytes:
            raise TooLarge(f"`{field}`: it has more than {self._max_bytes} bytes.", field=field)


@cache
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _next(url: str, answer: httpx.Response, field: str) -> str:
    try:
        following: str = urljoin(url, answer.headers.get("location", ""))
    except ValueError as error:
        raise _failed(field, "it leads to a malformed address") from error
    if urlsplit(url).scheme == "https" and urlsplit(following).scheme != "https":
        raise _failed(field, "it leads from https to another scheme")
    return following


def _failed(field: str, why: str) -> InputDownloadFailed:
    return InputDownloadFailed(
        f"`{field}`: the URL could not be read: {why}.", field=field, remedy="Upload the picture instead."
    )
