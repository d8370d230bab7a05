"""Pages of an account's jobs, newest first."""

from __future__ import annotations

import json
from collections.abc import Collection

from omni_jobs.schemas import Job, Status
from omni_jobs.store import paging
from omni_jobs.store.reading import Reading

#: Records looked at by one call with filters; its cursor then continues.
SCAN_LIMIT = 1000
CHUNK = 100
Ids = list[str]
Models = str | Collection[str] | None


class Listing(Reading):
    """One of its methods is called `list`; a class of its own keeps the builtin's name usable elsewhere."""

    def list(
        self,
        account: str,
        *,
        status: Status | None = None,
        model: Models = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Job], str | None]:
        """Jobs, newest first, and a cursor if there are or may be more; of one model or of any of several.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        key = self.keys("status_jobs", account, status) if status else self.keys("account_jobs", account)
        found: list[Job] = []
        seen: paging.Place | None = None
        scanned = 0
        # Without filters nearly every record is a hit, so no more are read than were asked for.
        size = CHUNK if model or tag or error_code else min(limit, CHUNK)
        for chunk in paging.chunks(self.redis, key, paging.parse_cursor(cursor), size):
            ids = self._asking_for(account, [job_id for _, job_id in chunk], model, tag)
            jobs = {job.id: job for job in self._find(account, ids) if job is not None}
            for place in chunk:
                seen, scanned, job = place, scanned + 1, jobs.get(place[1])
                if job is not None and _stands(job, status, error_code):
                    found.append(job)
                if len(found) == limit or scanned == SCAN_LIMIT:
                    return found, paging.cursor_of(seen)
        return found, None

    def count(
        self,
        account: str,
        *,
        status: Status | None = None,
        model: Models = None,
        tag: str | None = None,
        error_code: str | None = None,
        cursor: str | None = None,
    ) -> tuple[int, str | None]:
        """How many jobs match: all at once by status, else among the next `SCAN_LIMIT`, with a cursor."""
        if error_code:
            jobs, following = self.list(
                account,
                status=status,
                model=model,
                tag=tag,
                error_code=error_code,
                cursor=cursor,
                limit=SCAN_LIMIT,
            )
            return len(jobs), following
        key = self.keys("status_jobs", account, status) if status else self.keys("account_jobs", account)
        if not (model or tag):
            (whole,) = self._ask(("ZCARD", key))
            return int(whole), None
        number = scanned = 0
        for chunk in paging.chunks(self.redis, key, paging.parse_cursor(cursor), CHUNK):
            number += len(self._asking_for(account, [job_id for _, job_id in chunk], model, tag))
            scanned += len(chunk)
            if scanned >= SCAN_LIMIT:
                return number, paging.cursor_of(chunk[-1])
        return number, None

    def _asking_for(self, account: str, ids: Ids, model: Models, tag: str | None) -> Ids:
        """Those of these jobs whose request matches: most records are then never read."""
        if not (model or tag):
            return ids
        (requests,) = self._ask(("MGET", *(self.keys("request", account, job_id) for job_id in ids)))
        pairs = zip(ids, requests, strict=True)
        return [job_id for job_id, request in pairs if request is not None and _asks_for(request, model, tag)]


def _asks_for(request: bytes, model: Models, tag: str | None) -> bool:
    asked = json.loads(request)
    models = (model,) if isinstance(model, str) else model
    return (models is None or asked["model"] in models) and (tag is None or tag in asked.get("tags", ()))


def _stands(job: Job, status: Status | None, error_code: str | None) -> bool:
    has_code = job.error is not None and job.error.code == error_code
    return status in (None, job.status) and (error_code is None or has_code)


def cursor_after(job: Job) -> str:
    """The cursor of the page that follows a job."""
    return paging.cursor_of((round(job.created_at.timestamp() * 1000), job.id))
