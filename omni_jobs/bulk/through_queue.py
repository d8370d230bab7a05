"""Lines as jobs of a service. An idempotency key made of the line's identity is all that several runs share.

So a run that was killed finds its jobs again, and two runs of one manifest render each line once. What the service
cannot do now is waited for; what it lost is submitted again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from omni_jobs.bulk.destination import Destination
from omni_jobs.bulk.fetching import read_picture
from omni_jobs.bulk.manifest import Line
from omni_jobs.bulk.paths import EXTENSIONS, PathTemplate
from omni_jobs.bulk.results import Outcome, Output, Result, ended, error_facts
from omni_jobs.client import AsyncClient
from omni_jobs.errors import InvalidRequest, NotFound, OmniJobsError, QuotaExceeded, Unavailable
from omni_jobs.schemas import Artifact, Job, ModelCard, Status
from omni_jobs.settings import Settings

LOG = structlog.get_logger(__name__)
T = TypeVar("T")
#: Pauses in seconds while the service does not answer; the last one is repeated for ever. One that
#: says when it will is asked then, but not later than after the longest.
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
LONGEST_PAUSE_SECONDS = 300.0
#: Sent pictures that are remembered; one that was forgotten is sent again under the same id.
REMEMBERED = 20_000
#: Statuses of jobs and what they mean for their lines.
OUTCOMES = {
    Status.SUCCEEDED: Outcome.SUCCEEDED,
    Status.FAILED: Outcome.FAILED,
    Status.EXPIRED: Outcome.FAILED,
    Status.CANCELED: Outcome.CANCELED,
}


class QueueBackend:
    """Submits lines through a client and brings their outputs to the destination."""

    def __init__(
        self,
        client: AsyncClient,
        destination: Destination,
        paths: PathTemplate,
        settings: Settings,
        *,
        priority: int = 0,
        in_flight: int = 64,
    ) -> None:
        """`priority` is that of lines that name none."""
        self.in_flight = in_flight
        self.trouble = ""
        self._client = client
        self._destination = destination
        self._paths = paths
        self._settings = settings
        self._priority = priority
        self._uploads: OrderedDict[str, asyncio.Task[str]] = OrderedDict()
        self._jobs: set[str] = set()
        self._is_canceled = False

    async def start(self) -> Mapping[str, ModelCard]:
        return {card.name: card for card in await self._client.models()}

    @property
    def jobs(self) -> list[str]:
        return sorted(self._jobs)

    async def render(self, line: Line, generation: int) -> Result:
        try:
            body = await self._body(line)
            try:
                return await self._rendered(line, body, generation)
            except NotFound as error:
                LOG.warning("outputs_are_gone", line=line.number, error=str(error))
            # The job was remembered, its outputs were not: another one, but not for ever.
            return await self._rendered(line, body, generation + 1)
        except (InvalidRequest, NotFound) as error:
            status = Outcome.FAILED if isinstance(error, NotFound) else Outcome.INVALID
            told = error_facts(error.code, error.message, error.remedy, column=error.field)
            return ended(line, status, generation=generation, error=told)

    async def _rendered(self, line: Line, body: Mapping[str, Any], generation: int) -> Result:
        """The line's result. Raises NotFound: its job succeeded, and an output of it is gone."""
        job = await self._finished(line, body, generation)
        if job is None:
            return ended(line, Outcome.CANCELED, generation=generation)
        if job.status is not Status.SUCCEEDED:
            return _unhappy(line, job, generation)
        outputs = [await self._persist(partial(self._bring, line, one)) for one in job.artifacts]
        return _happy(line, job, tuple(outputs), generation)

    async def cancel(self) -> None:
        self._is_canceled = True
        for job_id in self.jobs:
            await self._call_off(job_id)

    async def close(self) -> None:
        await self._client.close()

    async def _call_off(self, job_id: str) -> None:
        try:
            await self._client.cancel(job_id)
        except OmniJobsError as error:  # one that ended meanwhile, or is gone, is as good
            LOG.debug("not_canceled", job=job_id, error=str(error))

    async def _finished(self, line: Line, body: Mapping[str, Any], generation: int) -> Job | None:
        """The line's job at its end; None if the run was called off first."""
        attempt = generation
        while not self._is_canceled:
            keyed = {**body, "idempotency_key": _key(line, body, attempt)}
            job = await self._persist(partial(self._client.submit, keyed))
            if job.status is Status.CANCELED:
                attempt += 1  # called off by somebody earlier; this run wants it
                continue
            self._jobs.add(job.id)
            try:
                if self._is_canceled:
                    await self._call_off(job.id)
                return await self._persist(partial(self._client.wait, job, check=False))
            except NotFound:
                continue  # the service lost its records
            finally:
                self._jobs.discard(job.id)
        return None

    async def _bring(self, line: Line, artifact: Artifact) -> Output:
        """Copy one output to the destination."""
        content = await self._client.download(artifact)
        key = self._paths.key(line, artifact.index, EXTENSIONS.get(artifact.content_type, "bin"))
        await asyncio.to_thread(self._destination.write, key, content, artifact.content_type)
        return Output(
            key,
            artifact.sha256,
            artifact.size_bytes,
            artifact.seed,
            artifact.content_type,
            artifact.width,
            artifact.height,
        )

    async def _body(self, line: Line) -> dict[str, Any]:
        """The job as it is sent: pictures as ids, the run's priority where the line has none."""
        request = line.request
        body = request.model_dump(mode="json", exclude_defaults=True)
        if "priority" not in request.model_fields_set:
            body["priority"] = self._priority
        ids = {token: await self._uploaded(token, place) for token, place in line.pictures.items()}
        if ids:
            body["images"] = [ids.get(one, one) for one in request.images]
            body["inputs"] = {name: [ids.get(one, one) for one in some] for name, some in request.inputs.items()}
            body["mask"] = ids.get(request.mask or "", request.mask)
        return {name: value for name, value in body.items() if value not in (None, {}, [])}

    async def _uploaded(self, token: str, place: str) -> str:
        """The id of a picture, sent once however many lines use it at a time."""
        if token not in self._uploads:
            self._uploads[token] = asyncio.create_task(self._upload(place))
            if len(self._uploads) > REMEMBERED:
                self._uploads.popitem(last=False)
        task = self._uploads[token]
        try:
            return await task
        except InvalidRequest:
            self._uploads.pop(token, None)
            raise

    async def _upload(self, place: str) -> str:
        content = await self._persist(partial(asyncio.to_thread, read_picture, place, self._settings))
        return await self._persist(partial(self._client.upload, content))

    async def _persist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, again after each pause while what is needed does not answer."""
        for tries in range(1_000_000_000):
            try:
                done = await act()
            except (Unavailable, QuotaExceeded) as error:
                self.trouble = str(error)
                LOG.debug("bulk_waits", error=self.trouble)
                pause = PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)]
                await asyncio.sleep(min(max(pause, error.retry_after_seconds or 0.0), LONGEST_PAUSE_SECONDS))
            else:
                self.trouble = ""
                return done
        raise AssertionError("unreachable")


def _happy(line: Line, job: Job, outputs: tuple[Output, ...], generation: int) -> Result:
    device_seconds = job.sharing.device_seconds if job.sharing else 0.0
    facts = {"generation": generation, "job": job.id, "timings": _timings(job), "device_seconds": device_seconds}
    return ended(line, Outcome.SUCCEEDED, outputs=outputs, **facts)


def _unhappy(line: Line, job: Job, generation: int) -> Result:
    error = job.error
    told = (
        error_facts(error.code, error.message, error.remedy, attempt=error.attempt, worker=error.worker)
        if error
        else error_facts(str(job.status), job.status.sentence)
    )
    facts = {"generation": generation, "job": job.id, "error": told, "timings": _timings(job)}
    return ended(line, OUTCOMES[job.status], **facts)


def _timings(job: Job) -> dict[str, float]:
    """What the job says, and how long it waited."""
    waited = (job.started_at - job.created_at).total_seconds() if job.started_at else None
    return {**job.timings, **({} if waited is None else {"queue_seconds": round(waited, 3)})}


def _key(line: Line, body: Mapping[str, Any], attempt: int) -> str:
    """The idempotency key: the line, how it is sent, and how often it was given up."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return f"bulk-{line.id}-{hashlib.sha256(text.encode()).hexdigest()[:12]}-{attempt}"
