"""Pages of an account's jobs, newest first."""

from __future__ import annotations

from omni_jobs.schemas import EVERY_JOB, Job, JobFilter
from omni_jobs.store import paging
from omni_jobs.store.reading import Reading

#: Records looked at by one call with filters; its cursor then continues.
SCAN_LIMIT = 1000
CHUNK = 100
Ids = list[str]


class Listing(Reading):
    """One of its methods is called `list`; a class of its own keeps the builtin's name usable elsewhere."""

    def list(
        self,
        account: str,
        wanted: JobFilter = EVERY_JOB,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Job], str | None]:
        """Jobs, newest first, and a cursor if there are or may be more.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        key = self._index(account, wanted)
        found: list[Job] = []
        seen: paging.Place | None = None
        scanned = 0
        # Without filters nearly every record is a hit, so no more are read than were asked for.
        size = CHUNK if wanted.reads_requests or wanted.error_code else min(limit, CHUNK)
        for chunk in paging.chunks(self.redis, key, paging.parse_cursor(cursor), size):
            ids = self._asking_for(account, [job_id for _, job_id in chunk], wanted)
            jobs = {job.id: job for job in self._find(account, ids) if job is not None}
            for place in chunk:
                seen, scanned, job = place, scanned + 1, jobs.get(place[1])
                if job is not None and wanted.fits(job):
                    found.append(job)
                if len(found) == limit or scanned == SCAN_LIMIT:
                    return found, paging.cursor_of(seen)
        return found, None

    def count(
        self,
        account: str,
        wanted: JobFilter = EVERY_JOB,
        *,
        cursor: str | None = None,
    ) -> tuple[int, str | None]:
        """How many jobs match: all at once by status, else among the next `SCAN_LIMIT`, with a cursor."""
        if wanted.error_code:
            jobs, following = self.list(account, wanted, cursor=cursor, limit=SCAN_LIMIT)
            return len(jobs), following
        key = self._index(account, wanted)
        if not wanted.reads_requests:
            (whole,) = self._ask(("ZCARD", key))
            return int(whole), None
        number = scanned = 0
        for chunk in paging.chunks(self.redis, key, paging.parse_cursor(cursor), CHUNK):
            number += len(self._asking_for(account, [job_id for _, job_id in chunk], wanted))
            scanned += len(chunk)
            if scanned >= SCAN_LIMIT:
                return number, paging.cursor_of(chunk[-1])
        return number, None

    def _asking_for(self, account: str, ids: Ids, wanted: JobFilter) -> Ids:
        """Those of these jobs whose request matches: most records are then never read."""
        if not wanted.reads_requests:
            return ids
        (requests,) = self._ask(("MGET", *(self.keys("request", account, job_id) for job_id in ids)))
        pairs = zip(ids, requests, strict=True)
        return [job_id for job_id, request in pairs if request is not None and wanted.asks_for(request)]

    def _index(self, account: str, wanted: JobFilter) -> str:
        """The key of the account's jobs by age, of one status if that is wanted."""
        if wanted.status:
            return self.keys("status_jobs", account, wanted.status)
        return self.keys("account_jobs", account)


def cursor_after(job: Job) -> str:
    """The cursor of the page that follows a job."""
    return paging.cursor_of((round(job.created_at.timestamp() * 1000), job.id))
