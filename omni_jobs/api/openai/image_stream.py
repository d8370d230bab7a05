"""A job as OpenAI's stream of images: partial ones from its previews, then the finished ones."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator

from PIL import Image

from omni_jobs.api import sse
from omni_jobs.api.faces.failures import openai_error
from omni_jobs.api.faces.following import followed
from omni_jobs.api.openai.image_answers import completed_event, due_partial, partial_event
from omni_jobs.api.service import Service
from omni_jobs.errors import OmniJobsError
from omni_jobs.faces.outcome import error_of, media_of
from omni_jobs.schemas import Job
from omni_jobs.uploads import storage_errors_translated


async def image_stream(service: Service, job: Job, partial_images: int) -> AsyncIterator[str]:
    """The events until the job has ended; a failure is the last event, with an `error`."""
    sent, shown, has_ended = 0, b"", False
    async for now in followed(service, job):
        if now is None:
            yield sse.KEEP_ALIVE
        elif now.is_finished:
            has_ended = True
            async for text in _ending(service, now):
                yield text
        else:
            picture = await asyncio.to_thread(_due_preview, service, now, sent, partial_images)
            if picture and picture != shown:
                text = await asyncio.to_thread(_as_asked, picture, now)
                yield sse.message(*partial_event(now, text, sent, now.request.output.format or "png"))
                sent, shown = sent + 1, picture
    if not has_ended:
        yield _error("The server ends this stream; the job may go on.", "stream_ended")


async def _ending(service: Service, job: Job) -> AsyncIterator[str]:
    error = error_of(job)
    if error is not None:
        yield sse.message("error", {"type": "error", "error": openai_error(error)})
    for artifact in media_of(job):
        try:
            with storage_errors_translated():
                content = await asyncio.to_thread(service.objects.get, artifact.key)
        except OmniJobsError as told:
            yield _error(f"The output cannot be read: {told}", told.code)
            return
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
