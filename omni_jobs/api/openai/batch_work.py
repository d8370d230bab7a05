"""One OpenAI batch from its file to its results, in small steps: validated, submitted in a window, told in files.

A line's job has an id that follows from batch and line. So whoever takes the batch over, after a crash as well,
begins at the first line and finds what is there.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO

import structlog

from omni_jobs import queue
from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.jobs import submit_one
from omni_jobs.api.openai.arriving import Arriving
from omni_jobs.api.openai.batch_lines import Line, code_and_text, job_id_of, job_of, line_of, problem_of
from omni_jobs.api.openai.batch_results import write_results
from omni_jobs.api.openai.masks import white_mask
from omni_jobs.api.service import Service
from omni_jobs.bulk.manifest import BatchRequest, Problem, read_requests
from omni_jobs.errors import IllegalMove, InvalidRequest, NotFound, OmniJobsError, QuotaExceeded, Unavailable
from omni_jobs.schemas import JobRequest, Status
from omni_jobs.schemas.access import Caller
from omni_jobs.schemas.batches import Batch, BatchProblem, BatchStatus
from omni_jobs.uploads import storage_errors_translated

LOG = structlog.get_logger(__name__)
#: Lines that one step validates, and how long one step submits.
CHUNK = 100
STEP_SECONDS = 0.5
#: Jobs that are unfinished at a time, problems that are told.
WINDOW = 1000
MAX_PROBLEMS = 100
#: Lines whose jobs are called off when a batch fails; any beyond, behind blank ones, run until the batch's end.
MAX_NUMBER = 200_000
_SUCCEEDED, _FINAL = Status.SUCCEEDED.value, {status.value for status in Status if status.is_terminal}


class BatchWork:
    """The work on one batch. `steps` yields after each bounded piece, with whether there may be more at once."""

    def __init__(self, service: Service, batch: Batch, holder: str, pictures: Arriving) -> None:
        """`holder` has the batch's lock."""
        self._service = service
        self._batch = batch
        self._holder = holder
        self._pictures = pictures
        self._waiting: set[str] = set()
        self._refused: dict[int, tuple[str, str]] = {}
        self._tally: Counter[str] = Counter()

    @property
    def caller(self) -> Caller:
        """On whose behalf it works."""
        return Caller(self._batch.account, frozenset(), self._batch.key_id)

    def steps(self) -> Iterator[bool]:
        """Works until the batch has ended.

        Raises:
            Unavailable, QuotaExceeded: it goes on when somebody begins anew.
            Superseded: somebody else works on it.
        """
        # Without a name it ends with this process, however that does.
        with tempfile.TemporaryFile() as spool, closing(self._pictures):
            if not self._fetched(spool):
                return
            if self._batch.status is BatchStatus.VALIDATING:
                yield from self._validate(spool)
            if self._batch.status.is_final:
                return
            ending = yield from self._run(spool)
            yield from self._finalize(spool, ending)

    def give_up(self, reason: str) -> None:
        """Ends the batch as failed; its jobs that are on their way are called off."""
        self._call_off()
        self._fail([BatchProblem(code="internal_error", message=f"The batch was given up: {reason}")])

    def _call_off(self) -> None:
        """Cancels the job of every line that has not ended, whoever submitted it."""
        batch, store = self._batch, self._service.store
        last = min(max(batch.total, batch.last_line), MAX_NUMBER)
        for begin in range(1, last + 1, WINDOW):
            ids = [job_id_of(batch, number) for number in range(begin, min(begin + WINDOW, last + 1))]
            for job_id, status in zip(ids, store.statuses(batch.account, ids), strict=True):
                if status is not None and status not in _FINAL:
                    with suppress(IllegalMove, NotFound):
                        queue.cancel(store, batch.account, job_id)

    def _fetched(self, spool: BinaryIO) -> bool:
        store, batch = self._service.store, self._batch
        try:
            file = store.file(batch.account, batch.input_file_id)
            with storage_errors_translated(), self._service.objects.open(file.key) as source:
                while chunk := source.read(1 << 20):
                    spool.write(chunk)
        except NotFound as error:
            self._call_off()
            self._fail([BatchProblem(code="invalid_file", message=str(error))])
            return False
        return True

    def _validate(self, spool: BinaryIO) -> Iterator[bool]:
        """Every line looked at before the first is asked for."""
        problems: list[BatchProblem] = []
        total = last = 0
        for total, line in enumerate(self._lines(spool), 1):
            last = line.number
            if isinstance(line, Problem):
                problems.append(problem_of(line))
            if len(problems) >= MAX_PROBLEMS:
                break
            if total % CHUNK == 0:
                yield True
        if total == 0:
            problems.append(BatchProblem(code="invalid_file", message="The file has no lines."))
        if problems:
            self._fail(problems)
        else:
            now = datetime.now(UTC)
            self._save(self._batch.moved(BatchStatus.IN_PROGRESS, now, total=total, last_line=last))
        yield True

    def _run(self, spool: BinaryIO) -> Generator[bool, None, BatchStatus]:
        """Submits and watches until all lines have ended; returns how the batch ends."""
        lines = self._lines(spool)
        line = next(lines, None)
        while line is not None or self._waiting:
            ending = self._asked_to_end()
            if ending is not None:
                return ending
            is_taken, ends = False, time.monotonic() + STEP_SECONDS
            while line is not None and time.monotonic() < ends and self._is_taken(line):
                line, is_taken = next(lines, None), True
            self._look()
            yield is_taken
        return BatchStatus.COMPLETED

    def _asked_to_end(self) -> BatchStatus | None:
        batch = self._batch
        if self._service.store.is_batch_to_cancel(batch.account, batch.id):
            return BatchStatus.CANCELLED
        return BatchStatus.EXPIRED if datetime.now(UTC) >= batch.expires_at else None

    def _is_taken(self, line: Line | Problem) -> bool:
        """Submits a line, or notes that it never will be; False if none can be now (full, a limit, pictures)."""
        batch, store = self._batch, self._service.store
        if isinstance(line, Problem):  # its model left the catalogue since the file was validated
            self._refuse(line.number, line.code, line.message)
            return True
        if len(self._waiting) >= WINDOW:
            return False
        job_id = job_id_of(batch, line.number)
        try:
            if store.statuses(batch.account, [job_id]) == [None]:
                job = self._job(line)
                if job is None:
                    return False
                submit_one(batch.account, self._service, job, job_id)
        except (Unavailable, QuotaExceeded) as error:
            LOG.info("batch waits for room", batch=batch.id, code=error.code)
            return False
        except OmniJobsError as error:
            if isinstance(error, InvalidRequest) and self._asked_to_end() is not None:
                return False  # the batch's end is a deadline that has passed
            self._refuse(line.number, *code_and_text(error))
        else:
            self._waiting.add(job_id)
        return True

    def _refuse(self, number: int, code: str, text: str) -> None:
        self._refused[number] = code, text
        self._tally["refused"] += 1

    def _job(self, line: Line) -> JobRequest | None:
        """None while its pictures are on their way: one thread serves all batches, and nobody waits for a URL."""
        images, mask = line.pictures
        if not images and mask is None:
            return job_of(line, self._batch, [], None)
        return self._pictures.of(line.number, lambda: self._job_with_pictures(line))

    async def _job_with_pictures(self, line: Line) -> JobRequest:
        """Under one id for each picture of a line, however often it is stored."""
        service, batch, (images, mask) = self._service, self._batch, line.pictures
        white = [] if mask is None else [await white_mask(service, batch.account, mask, batch.base)]
        key = f"{batch.id}:{line.number}"
        ids = await stored_all(service, batch.account, images, batch.base, key)
        masks = await stored_all(service, batch.account, white, batch.base, key)
        return job_of(line, batch, ids, next(iter(masks), None))

    def _look(self) -> None:
        """Counts those that have ended, and tells so."""
        ids = list(self._waiting)
        for job_id, status in zip(ids, self._service.store.statuses(self._batch.account, ids), strict=True):
            if status is None or status in _FINAL:
                self._tally[status or "lost"] += 1
                self._waiting.discard(job_id)
        ended, completed = self._tally.total(), self._tally[_SUCCEEDED]
        # Who takes a batch over counts from its first line, and nobody shall see less than before.
        if ended > self._batch.completed + self._batch.failed:
            self._save(self._batch.model_copy(update={"completed": completed, "failed": ended - completed}))

    def _finalize(self, spool: BinaryIO, ending: BatchStatus) -> Iterator[bool]:
        step = BatchStatus.CANCELLING if ending is BatchStatus.CANCELLED else BatchStatus.FINALIZING
        self._save(self._batch.moved(step, datetime.now(UTC)))
        named = ((one.number, one.custom_id) for one in self._requests(spool) if isinstance(one, BatchRequest))
        chunks = iter(lambda: list(islice(named, CHUNK)), [])
        changes = yield from write_results(self._service, self._batch, chunks, self._refused, ending)
        self._save(self._batch.moved(ending, datetime.now(UTC), **changes))

    def _requests(self, spool: BinaryIO) -> Iterator[BatchRequest | Problem]:
        return read_requests(spool, self._batch.endpoint)

    def _lines(self, spool: BinaryIO) -> Iterator[Line | Problem]:
        """Every line, or what is wrong with it; blank ones are passed over."""
        cards, aliases = self._service.store.cards(), self._service.aliases
        for request in self._requests(spool):
            if isinstance(request, Problem):
                yield request
                continue
            try:
                yield line_of(request, self._batch.endpoint, cards, aliases)
            except InvalidRequest as error:
                yield Problem.of(request.number, error, request.custom_id)

    def _fail(self, problems: list[BatchProblem]) -> None:
        self._save(self._batch.moved(BatchStatus.FAILED, datetime.now(UTC), errors=tuple(problems)))

    def _save(self, batch: Batch) -> None:
        self._service.store.save_batch(batch, self._holder)
        self._batch = batch
