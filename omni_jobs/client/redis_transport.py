"""A client straight on Redis, with no API running: the same `queue.submit` as every other door.

Objects are read and written directly too, at the storage address that was given, set, or published by a worker;
credentials are never taken from Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from omni_jobs import queue
from omni_jobs.client.transport import ClientOptions, Page
from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import Artifact, Event, EventType, Job, JobFilter, ModelCard, Status, Upload
from omni_jobs.settings import Settings, load_settings
from omni_jobs.store import JobStore, connect
from omni_jobs.uploads import add_picture, storage_errors_translated
from storage import ObjectStore, open_store

#: A lost wake-up costs at most so long.
LOOK_SECONDS = 1.0


class RedisTransport:
    """The store's methods off the event loop. It opens on first use, so that making a client never blocks."""

    def __init__(self, address: str, options: ClientOptions) -> None:
        self._settings = _settings(address, options)
        self._account = self._settings.account
        self._opening = asyncio.Lock()
        self._opened: JobStore | None = None
        self._objects: ObjectStore | None = None

    async def submit(self, job: Mapping[str, Any]) -> Job:
        store = await self._store()
        settings = self._settings
        created, _ = await asyncio.to_thread(
            queue.submit,
            store,
            job,
            account=self._account,
            max_attempts=settings.max_attempts,
            max_queued=settings.max_queued_jobs,
            limits=settings.limits,
        )
        return created

    async def get(self, job_id: str) -> Job:
        store = await self._store()
        job = await asyncio.to_thread(store.get, self._account, job_id)
        if job.status is not Status.QUEUED:
            return job
        waiting = await asyncio.to_thread(store.waiting, self._account, job_id)
        return job.model_copy(update={"waiting": waiting})

    async def page(self, wanted: JobFilter, *, cursor: str | None, limit: int) -> Page:
        store = await self._store()
        found = await asyncio.to_thread(store.list, self._account, wanted, cursor=cursor, limit=limit)
        return Page(*found)

    async def cancel(self, job_id: str) -> Job:
        return await asyncio.to_thread(queue.cancel, await self._store(), self._account, job_id)

    async def retry(self, job_id: str) -> Job:
        store, limits = await self._store(), self._settings.limits
        return await asyncio.to_thread(queue.retry, store, self._account, job_id, limits=limits)

    async def events(self, job_id: str, after: int) -> AsyncIterator[Event]:
        store = await self._store()
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        undo = store.on_wake(self._account, job_id, lambda: loop.call_soon_threadsafe(woken.set))
        told = None
        try:
            while True:
                for event in await asyncio.to_thread(store.events, self._account, job_id, after):
                    after = event.sequence
                    yield event
                    if event.type.is_terminal:
                        return
                job = await asyncio.to_thread(store.get, self._account, job_id)
                if job.sequence == after and job.progress is not None and job.progress != told:
                    told = job.progress
                    yield _progress_event(job)
                if job.sequence == after:
                    await _sleep(woken)
        finally:
            undo()

    async def download(self, artifact: Artifact) -> bytes:
        objects = await self._object_store()

        def read() -> bytes:
            with storage_errors_translated():
                return objects.get(artifact.key)

        return await asyncio.to_thread(read)

    async def upload(self, data: bytes, filename: str | None) -> Upload:
        store, objects = await self._store(), await self._object_store()
        return await asyncio.to_thread(
            add_picture,
            store,
            objects,
            self._account,
            data,
            filename=filename,
            max_bytes=self._settings.max_input_bytes,
            max_pixels=self._settings.max_input_pixels,
        )

    async def models(self) -> list[ModelCard]:
        return await asyncio.to_thread((await self._store()).cards)

    async def close(self) -> None:
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)
        if self._objects is not None:
            self._objects.close()

    async def _store(self) -> JobStore:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(connect, self._settings)
        return self._opened

    async def _object_store(self) -> ObjectStore:
        store = await self._store()
        async with self._opening:
            if self._objects is None:
                self._objects = await asyncio.to_thread(_open_objects, self._settings, store)
        return self._objects


def _settings(address: str, options: ClientOptions) -> Settings:
    given = {
        "redis_url": address,
        "account": options.account,
        "key_prefix": options.key_prefix,
        "storage_url": options.storage_url,
        "storage_access_key": options.storage_access_key,
        "storage_secret_key": options.storage_secret_key,
    }
    return load_settings({name: value for name, value in given.items() if value is not None})


def _open_objects(settings: Settings, store: JobStore) -> ObjectStore:
    url = settings.storage_url
    if "storage_url" not in settings.model_fields_set:
        deployment = store.deployment()
        if deployment is None:
            raise Misconfigured(
                "Where objects are stored is not known: no worker has said it yet.",
                field="storage_url",
                remedy="Start a worker, set OMNI_STORAGE_URL, or give the client `storage_url`.",
            )
        url = deployment.storage_url
    secrets = {
        "access_key_id": settings.storage_access_key,
        "secret_access_key": settings.storage_secret_key,
    }
    # A folder has no keys; those may be meant for a bucket that this process uses besides.
    options = {
        name: secret.get_secret_value()
        for name, secret in secrets.items()
        if secret is not None and url.startswith("s3://")
    }
    with storage_errors_translated():
        return open_store(url, **options)


def _progress_event(job: Job) -> Event:
    assert job.progress is not None
    return Event(
        job_id=job.id,
        account=job.account,
        sequence=0,
        type=EventType.PROGRESS,
        at=job.started_at or job.created_at,
        data=job.progress.model_dump(mode="json", exclude_none=True),
    )


async def _sleep(woken: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(woken.wait(), LOOK_SECONDS)
    except TimeoutError:
        return
    woken.clear()
