"""Looking at one job: its record, its events, its inputs, its place in the queue. Nothing is changed."""

from __future__ import annotations

from omni_jobs.errors import NotFound
from omni_jobs.names import job_of_artifact
from omni_jobs.schemas import SERVING, Event, Job, Upload, Waiting
from omni_jobs.store.codec import event_of, job_of, moment, record_of
from omni_jobs.store.fleet import Fleet
from omni_jobs.store.values import FeedEntry


class Reading(Fleet):
    """Everything that only looks at jobs."""

    def get(self, account: str, job_id: str) -> Job:
        """The job as it stands. Raises NotFound."""
        job = self._find(account, [job_id])[0]
        if job is None:
            raise NotFound(
                f"There is no job {job_id} in account {account}.",
                field="job_id",
                value=job_id,
                remedy="Finished jobs are kept for their `ttl_seconds`.",
            )
        return job

    def get_many(self, account: str, job_ids: list[str]) -> list[Job | None]:
        """These jobs as they stand, None for those that are not there."""
        return self._find(account, job_ids)

    def preview(self, account: str, job_id: str) -> bytes | None:
        """The latest preview picture of a running job."""
        picture: bytes | None = self._ask(("GET", self.keys("preview", account, job_id)))[0]
        return picture

    def events(self, account: str, job_id: str, after: int = 0) -> list[Event]:
        """The durable events after that sequence number. Raises NotFound."""
        # The record is read second: it then knows of every event that was read.
        (lines,) = self._ask(("LRANGE", self.keys("events", account, job_id), after, -1))
        job = self.get(account, job_id)
        return [event_of(account, job_id, after + 1 + i, line, job) for i, line in enumerate(lines)]

    def feed(self, account: str, after_id: str = "0", limit: int = 100) -> list[FeedEntry]:
        """The account's durable events of all jobs after a cursor, oldest first; about 10,000 are kept."""
        (entries,) = self._ask(("XRANGE", self.keys("feed", account), f"({after_id}", "+", "COUNT", limit))
        places = [(cursor.decode(), fields[b"j"].decode(), int(fields[b"s"])) for cursor, fields in entries]
        jobs = self._find(account, [job_id for _, job_id, _ in places])
        lines = self._ask(*(("LINDEX", self.keys("events", account, job), n - 1) for _, job, n in places))
        return [
            FeedEntry(cursor, event_of(account, job_id, sequence, line, job))
            for (cursor, job_id, sequence), job, line in zip(places, jobs, lines, strict=True)
            if line is not None
        ]

    def waiting(self, account: str, job_id: str) -> Waiting | None:
        """Why a queued job has not begun, and its place; None once it began. Raises NotFound."""
        status, *facts = self.scripts.run("place", {"account": account, "id": job_id})
        if status == b"missing":
            raise NotFound(f"There is no job {job_id} in account {account}.", field="job_id", value=job_id)
        if status != b"queued":
            return None
        before, held_ms, is_alone = (int(fact) for fact in facts)
        if held_ms:
            return Waiting(position=before, reason=f"held until {moment(held_ms).isoformat(timespec='seconds')}")
        model = self.get(account, job_id).request.model
        reason = self._why_no_worker(model)
        if reason is None and is_alone:
            reason = "its device process died under it; it waits for an empty worker"
        if reason is None:
            reason = {0: "it is next", 1: "1 job is before it"}.get(before, f"{before} jobs are before it")
        return Waiting(position=before, reason=reason)

    def find_input(self, account: str, input_id: str) -> Upload:
        """The stored object that an `images` or `mask` entry names: an upload, or an artifact of a finished job.

        Raises:
            NotFound: neither is there in this account.
        """
        place = job_of_artifact(input_id)
        if place is None:
            return self.upload(account, input_id)
        job = self.get(account, place[0])
        for artifact in job.artifacts:
            if artifact.id == input_id:
                return Upload(
                    id=artifact.id,
                    key=artifact.key,
                    content_type=artifact.content_type,
                    size_bytes=artifact.size_bytes,
                    sha256=artifact.sha256,
                    width=artifact.width,
                    height=artifact.height,
                    created_at=job.finished_at or job.created_at,
                )
        raise NotFound(f"Job {job.id} has no artifact {input_id}.", field="images", value=input_id)

    def _why_no_worker(self, model: str) -> str | None:
        workers = [worker for worker in self.workers() if model in worker.models]
        states = [worker.models[model] for worker in workers]
        if not states:
            return f"no live worker serves {model}"
        if SERVING.isdisjoint(states):
            return "loading" if "loading" in states else f"{model} failed to load on every worker"
        reasons = [worker.held_up for worker in workers if worker.serves(model)]
        return f"every worker claims nothing: {reasons[0]}" if reasons and all(reasons) else None

    def _find(self, account: str, job_ids: list[str]) -> list[Job | None]:
        parts = (("HGETALL", "job"), ("GET", "request"), ("GET", "result"), ("GET", "progress"))
        replies = self._ask(*((word, self.keys(name, account, one)) for one in job_ids for word, name in parts))
        rows = zip(*(replies[place :: len(parts)] for place in range(len(parts))), strict=True)
        # A record may pass away between two of these reads.
        return [
            job_of(record_of(record, request, result), progress) if record and request else None
            for record, request, result, progress in rows
        ]
