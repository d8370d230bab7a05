"""A job as OpenAI's stream of images: partial ones from its previews, then the finished ones."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import AsyncIterator

from PIL import Image

from omni_jobs.api import sse
from omni_jobs.api.faces.failures import openai_error
from omni_jobs.api.openai.image_answers import completed_event, due_partial, outputs, partial_event
from omni_jobs.api.service import Service
from omni_jobs.api.streams import KEEP_ALIVE_SECONDS
from omni_jobs.api.waiting import listening
from omni_jobs.errors import NotFound
from omni_jobs.faces.outcome import error_of
from omni_jobs.schemas import Job


async def image_stream(service: Service, job: Job, partial_images: int) -> AsyncIterator[str]:
    """The events until the job has ended; a failure is the last event, with an `error`."""
    traffic = service.traffic
    traffic.open_streams += 1
    ends = time.monotonic() + service.settings.stream_seconds
    sent, spoke, shown = 0, time.monotonic(), b""
    try:
        # Something at once: proxies hold back an answer of which they have seen nothing.
        yield sse.KEEP_ALIVE
        async with listening(service.store, job.account, job.id) as bell:
            while True:
                job = await asyncio.to_thread(service.store.get, job.account, job.id)
                if job.is_finished:
                    async for text in _ending(service, job):
                        yield text
                    return
                if time.monotonic() >= ends or traffic.is_closing:
                    yield _error("The server ends this stream; the job goes on.", "stream_ended")
                    return
                picture = await asyncio.to_thread(_due_preview, service, job, sent, partial_images)
                if picture and picture != shown:
                    shown = picture
                    text = await asyncio.to_thread(_as_asked, picture, job)
                    yield sse.message(*partial_event(job, text, sent, job.request.output.format or "png"))
                    sent, spoke = sent + 1, time.monotonic()
                elif time.monotonic() - spoke >= KEEP_ALIVE_SECONDS:
                    spoke = time.monotonic()
                    yield sse.KEEP_ALIVE
                await bell.wait(max(0.0, ends - time.monotonic()))
    except NotFound:
        yield _error("The job was deleted.", "not_found")
    finally:
        traffic.open_streams -= 1


async def _ending(service: Service, job: Job) -> AsyncIterator[str]:
    error = error_of(job)
    if error is not None:
        yield sse.message("error", {"type": "error", "error": openai_error(error)})
    for artifact in outputs(job):
        content = await asyncio.to_thread(service.objects.get, artifact.key)
        yield sse.message(*completed_event(job, artifact, base64.b64encode(content).decode()))


def _due_preview(service: Service, job: Job, sent: int, wanted: int) -> bytes | None:
    percent = job.progress.percent if job.progress else 0.0
    return service.store.preview(job.account, job.id) if due_partial(percent, sent, wanted) else None


def _as_asked(picture: bytes, job: Job) -> str:
    """The small preview in the size and format that the finished picture will have, base64."""
    given, kind = job.request.parameters, (job.request.output.format or "png")
    with Image.open(io.BytesIO(picture)) as image:
        size = (int(given.get("width", image.width)), int(given.get("height", image.height)))
        file = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, kind.upper())
    return base64.b64encode(file.getvalue()).decode()


def _error(message: str, code: str) -> str:
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return sse.message("error", {"type": "error", "error": error})
