"""What goes into an event stream, and when: read from the store, woken by its bell, never holding a thread."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

from omni_jobs.api import sse
from omni_jobs.api.jobs import view
from omni_jobs.api.service import Service
from omni_jobs.api.waiting import Bell, listening
from omni_jobs.errors import NotFound
from omni_jobs.schemas import Event, EventType, Job, Progress
from omni_jobs.store import FeedEntry

#: A silent stream says that it lives so often, for proxies that cut silent connections.
KEEP_ALIVE_SECONDS = 15.0
#: How often the account's feed is looked at.
FEED_LOOK_SECONDS = 0.5
FEED_CHUNK = 200
_PICTURES = {b"\x89PNG": "image/png", b"RIFF": "image/webp", b"\xff\xd8": "image/jpeg"}


class JobStream:
    """One job for one client. `base` is the address before its links."""

    def __init__(self, service: Service, base: str) -> None:
        self._service = service
        self._base = base
        self._told: Progress | None = None
        self._shown: str | None = None

    async def run(self, job: Job, seen: int | None) -> AsyncIterator[str]:
        """A snapshot, the events after `seen` (None: after the snapshot), then, with the terminal one, the end."""
        traffic, settings = self._service.traffic, self._service.settings
        traffic.open_streams += 1
        ends = time.monotonic() + settings.stream_seconds
        try:
            # The snapshot's id is what the client has seen, so that one cut off right after it misses nothing.
            newest = job.sequence - 1 if job.is_finished else job.sequence
            after = newest if seen is None else min(seen, newest)
            yield sse.OPENING
            yield sse.message("snapshot", {"job": await asyncio.to_thread(self._view, job)}, after)
            async with listening(self._service.store, job.account, job.id) as bell:
                async for text in self._follow(job, after, bell, ends):
                    yield text
        except NotFound:
            return  # deleted while we looked
        finally:
            traffic.open_streams -= 1

    async def _follow(self, job: Job, after: int, bell: Bell, ends: float) -> AsyncIterator[str]:
        store = self._service.store
        spoke = time.monotonic()
        while time.monotonic() < ends and not self._service.traffic.is_closing:
            events = await asyncio.to_thread(store.events, job.account, job.id, after)
            job = await asyncio.to_thread(store.get, job.account, job.id)
            texts = [*self._durable(events, job), *await asyncio.to_thread(self._latest, job)]
            for text in texts:
                yield text
            if events and events[-1].type.is_terminal:
                return
            after = events[-1].sequence if events else after
            if texts:
                spoke = time.monotonic()
            elif time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
                spoke = time.monotonic()
                yield sse.KEEP_ALIVE
            await bell.wait(max(0.0, ends - time.monotonic()))

    def _durable(self, events: list[Event], job: Job) -> Iterator[str]:
        for event in events:
            data = event.model_dump(mode="json", exclude_none=True)
            if event.type is EventType.OUTPUT and "artifact" in event.data:
                artifact = job.artifacts[event.data["index"]]
                signed = self._service.links.sign(artifact, self._base)
                data["data"]["artifact"] = signed.model_dump(mode="json", exclude_none=True)
            if event.type.is_terminal:
                data["job"] = self._service.links.sign_all(job, self._base).to_json()
            yield sse.message(event.type, data, event.sequence)

    def _latest(self, job: Job) -> list[str]:
        """Progress and preview, if they are new."""
        texts = []
        if job.progress is not None and job.progress != self._told:
            self._told = job.progress
            data = job.progress.model_dump(mode="json", exclude_none=True)
            texts.append(_droppable(job, EventType.PROGRESS, data))
            texts += self._preview(job)
        return texts

    def _preview(self, job: Job) -> list[str]:
        picture = self._service.store.preview(job.account, job.id) if job.request.preview else None
        if not picture:
            return []
        digest = hashlib.sha256(picture).hexdigest()
        if digest == self._shown:
            return []
        self._shown = digest
        mime = next((kind for start, kind in _PICTURES.items() if picture.startswith(start)), "image/png")
        data: dict[str, Any] = {"mime": mime, "b64": base64.b64encode(picture).decode()}
        if job.progress is not None:
            data |= {"step": job.progress.step, "index": job.progress.index}
        return [_droppable(job, EventType.PREVIEW, data)]

    def _view(self, job: Job) -> dict[str, object]:
        return view(self._service, job, self._base)


class FeedStream:
    """All durable events of an account for one client."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def run(self, account: str, seen: str | None) -> AsyncIterator[str]:
        """A snapshot of the counts, then the events after `seen`, or from now on."""
        traffic, store = self._service.traffic, self._service.store
        traffic.open_streams += 1
        ends = time.monotonic() + self._service.settings.stream_seconds
        try:
            yield sse.OPENING
            has_gap = seen is not None and await asyncio.to_thread(store.feed_has_gap, account, seen)
            after = seen if seen is not None else await asyncio.to_thread(store.feed_end, account)
            counts = await asyncio.to_thread(store.counts, account)
            yield sse.message("snapshot", {"jobs": counts, "has_gap": has_gap}, after)
            spoke = time.monotonic()
            while time.monotonic() < ends and not traffic.is_closing:
                entries, after = await asyncio.to_thread(store.feed_page, account, after, FEED_CHUNK)
                for entry in entries:
                    yield _entry(entry)
                if entries:
                    spoke = time.monotonic()
                    continue
                if time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
                    spoke = time.monotonic()
                    yield sse.KEEP_ALIVE
                await asyncio.sleep(min(FEED_LOOK_SECONDS, max(0.0, ends - time.monotonic())))
        finally:
            traffic.open_streams -= 1


def _droppable(job: Job, kind: EventType, data: dict[str, Any]) -> str:
    """An event outside of the numbering: it has no id, so that resuming never depends on it."""
    event = Event(job_id=job.id, account=job.account, sequence=0, type=kind, at=datetime.now(UTC), data=data)
    return sse.message(kind, event.model_dump(mode="json", exclude_none=True))


def _entry(entry: FeedEntry) -> str:
    return sse.message(entry.event.type, entry.event.model_dump(mode="json", exclude_none=True), entry.cursor)
