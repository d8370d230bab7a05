"""One try of one webhook: the URL judged, the judged address connected to, the answer read with limits."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx

from omni_jobs import __version__
from omni_jobs.errors import Forbidden
from omni_jobs.schemas.copies import CopyTarget
from omni_jobs.webhooks.addresses import Resolve, Target, judge
from omni_jobs.webhooks.schedule import Answer

#: What is read of an answer, to be told in `error`.
ANSWER_BYTES = 2048
#: Names resolved at a time, in threads of their own: a name server that is silent must hold up nothing else.
RESOLVING = 256


class Sender:
    """Sends with one TLS configuration and no memory: no cookies, no proxies, no redirects, no kept connections.

    A kept connection could be used for another name that lies at the same address.
    """

    def __init__(
        self,
        allowed: frozenset[tuple[str, int]],
        timeout_seconds: float,
        *,
        resolve: Resolve = socket.getaddrinfo,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            allowed: hosts and ports that may be reached though they are not public.
            timeout_seconds: for one try, from the name's resolution to the last byte read.
            trust: whose certificates are believed; the system's if absent.
        """
        self._allowed = allowed
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._resolvers = ThreadPoolExecutor(RESOLVING, "resolve")
        self._client = httpx.AsyncClient(
            verify=trust or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            headers={"user-agent": f"omni-jobs/{__version__}", "accept": "*/*"},
        )

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What came of it. Raises nothing that the receiver can cause."""
        return await self._tried(
            url, "POST", {"content": body, "headers": {**headers, "content-type": "application/json"}}
        )

    async def copy(self, target: CopyTarget, content: bytes, content_type: str, name: str) -> Answer:
        """Puts a file where a presigned link allows it. Raises nothing that the receiver can cause."""
        given: dict[str, Any]
        if target.method == "PUT":
            given = {"content": content, "headers": {"content-type": content_type, **target.sent_headers}}
        else:
            given = {"data": target.fields, "files": {"file": (name, content, content_type)}}
        return await self._tried(str(target.url), target.method, given)

    async def _tried(self, url: str, method: str, given: Mapping[str, Any]) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                look = partial(judge, url, self._allowed, resolve=self._resolve)
                target = await asyncio.get_running_loop().run_in_executor(self._resolvers, look)
                return await self._request(target, method, given)
        except Forbidden as error:
            return Answer(None, str(error), is_refused=True)
        except httpx.LocalProtocolError as error:
            return Answer(None, f"this cannot be sent: {error}"[:300], is_refused=True)
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:300])

    async def close(self) -> None:
        """Releases what is open."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def _request(self, target: Target, method: str, given: Mapping[str, Any]) -> Answer:
        request = self._client.build_request(
            method,
            url_at(target),
            **{**given, "headers": {**given.get("headers", {}), "host": host_header(target)}},
            # The certificate is checked against the name in the URL, not against the address.
            extensions={"sni_hostname": target.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            # A 2xx says all; only what explains a failure is read.
            said = "" if response.is_success else await _beginning(response)
        finally:
            await response.aclose()
        after = retry_after(response.headers.get("retry-after"), time.time())
        told = "" if response.is_success else f"HTTP {response.status_code}: {said}"
        return Answer(response.status_code, told, after)


def url_at(target: Target) -> httpx.URL:
    """The URL with the judged address in the place of the name."""
    return httpx.URL(target.url.geturl()).copy_with(host=str(target.address), port=target.port, fragment=None)


def host_header(target: Target) -> str:
    """The name as the URL has it."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.url.port is None else f"{host}:{target.port}"


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from a `Retry-After` header, which holds seconds or a date; None if neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError):
        return None


async def _beginning(response: httpx.Response) -> str:
    taken = b""
    async for chunk in response.aiter_raw(ANSWER_BYTES):
        taken += chunk
        if len(taken) >= ANSWER_BYTES:
            break
    text = taken[:200].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
