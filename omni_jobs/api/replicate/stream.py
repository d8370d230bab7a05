"""A prediction as Replicate's event stream: log lines, output links, then `done`.

The Python client knows no other event and needs an id on each; the Node client sends no key to the stream's link.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from omni_jobs.api import sse
from omni_jobs.api.faces.following import followed
from omni_jobs.api.service import Service
from omni_jobs.faces.outcome import error_of, text_of
from omni_jobs.faces.replicate import bar_of, outputs_of
from omni_jobs.schemas import Job, Status


@dataclass
class Lines:
    """What a stream said last, and the number of its next event. Pure."""

    number: int = 0
    told: str = field(default="", init=False)

    def event(self, name: str, text: str) -> str:
        """One event; data of several lines is several fields."""
        self.number += 1
        data = "".join(f"data: {line}\n" for line in text.split("\n"))
        return f"id: {self.number}\nevent: {name}\n{data}\n"

    def news(self, job: Job) -> list[str]:
        """Events for what is new in a job whose links are signed."""
        bar = bar_of(job.progress) if job.progress and job.progress.steps else ""
        texts = []
        if bar and bar != self.told:
            self.told = bar
            texts.append(self.event("logs", f"{bar}\n"))
        if job.is_finished:
            texts += [self.event("output", url) for url in outputs_of(job)]
            texts += self._end(job)
        return texts

    def _end(self, job: Job) -> list[str]:
        error = error_of(job)
        if error is None:
            return [self.event("done", "{}")]
        if job.status in (Status.CANCELED, Status.EXPIRED):
            return [self.event("done", json.dumps({"reason": "canceled"}))]
        return [self.event("error", text_of(error)), self.event("done", json.dumps({"reason": "error"}))]


async def prediction_stream(service: Service, job: Job, base: str) -> AsyncIterator[str]:
    """The events of a prediction until its job has ended."""
    lines = Lines()
    async for now in followed(service, job):
        for text in [sse.KEEP_ALIVE] if now is None else lines.news(service.links.sign_all(now, base)):
            yield text
