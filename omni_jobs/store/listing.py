"""Pages of an account's jobs, newest first."""

from __future__ import annotations

from omni_jobs.schemas import Job, Status
from omni_jobs.store import paging
from omni_jobs.store.reading import Reading

#: Records looked at by one call with filters; its cursor then continues.
SCAN_LIMIT = 1000
CHUNK = 100


class Listing(Reading):
    """Its one method is called `list`; a class of its own keeps the builtin's name usable elsewhere."""

    def list(
        self,
        account: str,
        *,
        status: Status | None = None,
        model: str | None = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Job], str | None]:
        """Jobs, newest first, and a cursor if there are or may be more. Raises InvalidRequest for the cursor."""
        key = self.keys("status_jobs", account, status) if status else self.keys("account_jobs", account)
        found: list[Job] = []
        seen: paging.Place | None = None
        scanned = 0
        # Without filters nearly every record is a hit, so no more are read than were asked for.
        size = CHUNK if model or tag or error_code else min(limit, CHUNK)
        for chunk in paging.chunks(self.redis, key, paging.parse_cursor(cursor), size):
            jobs = self._find(account, [job_id for _, job_id in chunk])
            for place, job in zip(chunk, jobs, strict=True):
                seen, scanned = place, scanned + 1
                if job is not None and _matches(job, status, model, tag, error_code):
                    found.append(job)
                if len(found) == limit or scanned == SCAN_LIMIT:
                    return found, paging.cursor_of(seen)
        return found, None

    def count(
        self,
        account: str,
        *,
        status: Status | None = None,
        model: str | None = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
    ) -> tuple[int, str | None]:
        """How many jobs match: all at once by status, else among the next `SCAN_LIMIT`, with a cursor."""
        if model or tag or error_code:
            filters = {"model": model, "tag": tag, "error_code": error_code}
            jobs, following = self.list(account, status=status, **filters, cursor=cursor, limit=SCAN_LIMIT)
            return len(jobs), following
        key = self.keys("status_jobs", account, status) if status else self.keys("account_jobs", account)
        (found,) = self._ask(("ZCARD", key))
        return int(found), None


def _matches(job: Job, status: Status | None, model: str | None, tag: str | None, error_code: str | None) -> bool:
    return (
        (status is None or job.status is status)
        and (model is None or job.request.model == model)
        and (tag is None or tag in job.request.tags)
        and (error_code is None or (job.error is not None and job.error.code == error_code))
    )


def cursor_after(job: Job) -> str:
    """The cursor of the page that follows a job."""
    return paging.cursor_of((round(job.created_at.timestamp() * 1000), job.id))
