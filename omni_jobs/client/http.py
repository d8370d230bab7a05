"""A client over HTTP: the same methods, no Redis, no storage credentials. Errors come back as what they were.

A call that got no answer is made again: every one is harmless to repeat, a submit because it carries a key.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx

from omni_jobs import __version__, errors
from omni_jobs.client.sse import Message, messages
from omni_jobs.client.transport import ClientOptions, Page
from omni_jobs.errors import OmniJobsError, StorageUnavailable, Unavailable
from omni_jobs.schemas import Artifact, Event, EventType, Job, JobFilter, ModelCard, Upload
from omni_jobs.settings import load_settings

#: An answer's longest silence, and that of an event stream, which says every 15 s that it lives.
ANSWER_SECONDS = 60.0
STREAM_SECONDS = 45.0
#: Calls made again after no answer or "later", and the first pause; each further one doubles it.
RETRIES = 4
PAUSE_SECONDS = 0.25
RETRIED = frozenset({429, 502, 503, 504})
#: A server that asks for a longer pause is not waited for.
LONGEST_PAUSE_SECONDS = 30.0
#: Events that `events` gives.
_YIELDED = frozenset(EventType) - {EventType.PREVIEW}


def _classes(base: type[OmniJobsError]) -> dict[str, type[OmniJobsError]]:
    found = {base.code: base}
    for kind in base.__subclasses__():
        found |= _classes(kind)
    return found


#: Error classes by code; a job's own failure is not raised by a call.
ERRORS = {code: kind for code, kind in _classes(OmniJobsError).items() if code != errors.JobFailed.code}


class HttpTransport:
    """The API's routes as the transport's methods."""

    def __init__(self, address: str, options: ClientOptions) -> None:
        secret = load_settings().api_key
        key = options.api_key or (secret.get_secret_value() if secret else None)
        identity = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            base_url=address.rstrip("/"),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=5.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
            headers={"user-agent": f"omni-jobs/{__version__}", **identity},
        )

    async def submit(self, job: Mapping[str, Any]) -> Job:
        # Not in the body: there it would make two submits without a key differ for no reason of the caller.
        headers = {} if job.get("idempotency_key") else {"idempotency-key": f"client-{secrets.token_hex(16)}"}
        return Job.model_validate(await self._json("POST", "/v1/jobs", json=dict(job), headers=headers))

    async def get(self, job_id: str) -> Job:
        return Job.model_validate(await self._json("GET", f"/v1/jobs/{job_id}"))

    async def page(self, wanted: JobFilter, *, cursor: str | None, limit: int) -> Page:
        asked = {**asdict(wanted), "cursor": cursor, "limit": limit}
        given = {name: value for name, value in asked.items() if value is not None}
        found = await self._json("GET", "/v1/jobs", params=given)
        return Page([Job.model_validate(job) for job in found["jobs"]], found.get("cursor"))

    async def cancel(self, job_id: str) -> Job:
        return Job.model_validate(await self._json("POST", f"/v1/jobs/{job_id}/cancel"))

    async def retry(self, job_id: str) -> Job:
        return Job.model_validate(await self._json("POST", f"/v1/jobs/{job_id}/retry"))

    async def events(self, job_id: str, after: int) -> AsyncIterator[Event]:
        failures = 0
        while True:
            try:
                async for message in self._stream(job_id, after):
                    failures = 0
                    event = _event(message)
                    if event is None:
                        continue
                    after = event.sequence or after
                    yield event
                    if event.type.is_terminal:
                        return
            except Unavailable:
                failures += 1
                if failures > RETRIES:
                    raise
                await asyncio.sleep(_pause(failures))
            except _Ended:
                return

    async def download(self, artifact: Artifact) -> bytes:
        answer = await self._send("GET", f"/v1/artifacts/{artifact.id}")
        link = answer.headers["location"]
        # Without our key: the link may lead to somebody else's host, and it is a key itself.
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as plain:
            try:
                found = await plain.get(link)
            except httpx.TransportError as error:
                raise StorageUnavailable(f"{artifact.id} could not be read: {error}.") from error
        _raise_for(found)
        if hashlib.sha256(found.content).hexdigest() != artifact.sha256:
            raise StorageUnavailable(f"{artifact.id}: other bytes came than were stored.", remedy="Try again.")
        return found.content

    async def upload(self, data: bytes, filename: str | None) -> Upload:
        headers = {"content-type": "application/octet-stream"}
        if filename is not None and filename.isascii() and filename.isprintable():
            headers["x-filename"] = filename[:200]
        return Upload.model_validate(await self._json("POST", "/v1/uploads", content=data, headers=headers))

    async def models(self) -> list[ModelCard]:
        found = await self._json("GET", "/v1/models")
        return [ModelCard.model_validate(row["card"]) for row in found["models"]]

    async def close(self) -> None:
        await self._client.aclose()

    async def _json(self, method: str, path: str, **options: Any) -> Any:
        return (await self._send(method, path, **options)).json()

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        for attempt in range(RETRIES + 1):
            is_last = attempt == RETRIES
            pause = _pause(attempt + 1)
            try:
                answer = await self._client.request(method, path, **options)
            except httpx.TransportError as error:
                if is_last:
                    raise Unavailable(f"{self._client.base_url} does not answer: {error}.") from error
            else:
                asked = _asked_pause(answer)
                if is_last or answer.status_code not in RETRIED or asked > LONGEST_PAUSE_SECONDS:
                    _raise_for(answer)
                    return answer
                pause = max(pause, asked)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _stream(self, job_id: str, after: int) -> AsyncIterator[Message]:
        path = f"/v1/jobs/{job_id}/events"
        timeout = httpx.Timeout(STREAM_SECONDS, connect=5.0)
        try:
            async with self._client.stream("GET", path, params={"after": after}, timeout=timeout) as answer:
                if answer.status_code == 204:
                    raise _Ended
                if answer.is_error:
                    await answer.aread()
                    _raise_for(answer)
                async for message in messages(answer.aiter_lines()):
                    yield message
        except httpx.TransportError as error:
            raise Unavailable(f"The event stream broke: {error}.") from error


class _Ended(Exception):
    """The terminal event was seen before."""


def _pause(failures: int) -> float:
    return PAUSE_SECONDS * 2.0 ** (failures - 1) * random.uniform(0.75, 1.25)


def _asked_pause(answer: httpx.Response) -> float:
    """Seconds for which the server asks to be left alone; for ever where it says that trying again is no use."""
    if answer.headers.get("x-should-retry") == "false":
        return math.inf
    after = answer.headers.get("retry-after", "")
    return float(after) if after.isascii() and after.isdigit() else 0.0


def _event(message: Message) -> Event | None:
    """The event in a message; None for snapshots, pictures, and types of later versions."""
    if message.event not in _YIELDED:
        return None
    return Event.model_validate_json(message.data)


def _raise_for(answer: httpx.Response) -> None:
    """Raises the error that the server told."""
    if answer.status_code < 400:
        return
    try:
        body = answer.json()
        code, message, field = body["error_type"], body["detail"], body["error"]["param"]
    except (ValueError, KeyError, TypeError):
        # A proxy's page, or a bucket's XML.
        kind = Unavailable if answer.status_code >= 500 else errors.InvalidRequest
        raise kind(f"HTTP {answer.status_code}: {answer.text[:200]}") from None
    raise ERRORS.get(code, OmniJobsError)(message, field=field)
