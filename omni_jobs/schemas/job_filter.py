"""Which jobs are meant by a list, a count or a change of many: one record from the client to the store."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from omni_jobs.schemas.lifecycle import Status
from omni_jobs.schemas.record import Job


@dataclass(frozen=True, slots=True)
class JobFilter:
    """None means any. `model` may be several; `error_code` means those that failed so."""

    status: Status | None = None
    model: str | Collection[str] | None = None
    tag: str | None = None
    error_code: str | None = None

    @property
    def reads_requests(self) -> bool:
        """Whether a job's request says if it is meant."""
        return bool(self.model or self.tag)

    def asks_for(self, request: bytes) -> bool:
        """Whether a request, as JSON, is of the model and has the tag."""
        asked = json.loads(request)
        models = (self.model,) if isinstance(self.model, str) else self.model
        return (models is None or asked["model"] in models) and (
            self.tag is None or self.tag in asked.get("tags", ())
        )

    def fits(self, job: Job) -> bool:
        """Whether a job whose request was asked for stands as it is meant to."""
        has_code = job.error is not None and job.error.code == self.error_code
        return self.status in (None, job.status) and (self.error_code is None or has_code)


EVERY_JOB = JobFilter()
