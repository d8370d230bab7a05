"""One OpenAI batch from its file to its results, in small steps: validated, submitted in a window, told in files.

A line's job has an id that follows from batch and line. So whoever takes the batch over, after a crash as well,
begins at the first line and finds what is there.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import structlog

from omni_jobs.api.faces.pictures import stored_all
from omni_jobs.api.jobs import submit_one
from omni_jobs.api.openai.batch_lines import (
    MAX_LINES,
    Line,
    code_and_text,
    job_id_of,
    job_of,
    parse_line,
)
from omni_jobs.api.openai.batch_results import write_results
from omni_jobs.api.openai.masks import white_mask
from omni_jobs.api.service import Service
from omni_jobs.errors import InvalidRequest, NotFound, OmniJobsError
from omni_jobs.schemas import JobRequest, Status
from omni_jobs.schemas.batches import Batch, BatchProblem, BatchStatus
from omni_jobs.uploads import storage_errors_translated

LOG = structlog.get_logger(__name__)
#: Lines of one step, jobs that are unfinished at a time, problems that are told.
CHUNK = 100
WINDOW = 1000
MAX_PROBLEMS = 100
_SUCCEEDED, _FINAL = Status.SUCCEEDED.value, {status.value for status in Status if status.is_terminal}


class BatchWork:
    """The work on one batch. `steps` yields after each bounded piece, with whether there may be more at once."""

    def __init__(self, service: Service, batch: Batch, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the application's, where pictures are fetched."""
        self._service = service
        self._batch = batch
        self._loop = loop
        self._refused: dict[int, tuple[str, str]] = {}

    def steps(self) -> Iterator[bool]:
        """Works until the batch has ended. Raises Unavailable: it goes on when somebody begins anew."""
        with tempfile.NamedTemporaryFile(prefix="batch-") as spool:
            if not self._fetched(spool):
                return
            path = Path(spool.name)
            if self._batch.status is BatchStatus.VALIDATING:
                yield from self._validate(path)
            if self._batch.status.is_final:
                return
            ending = yield from self._run(path)
            yield from self._finalize(path, ending)

    def _fetched(self, spool: IO[bytes]) -> bool:
        store, batch = self._service.store, self._batch
        try:
            file = store.file(batch.account, batch.input_file_id)
            with storage_errors_translated(), self._service.objects.open(file.key) as source:
                while chunk := source.read(1 << 20):
                    spool.write(chunk)
        except NotFound as error:
            self._fail([BatchProblem(code="invalid_file", message=str(error))])
            return False
        spool.flush()
        return True

    def _validate(self, path: Path) -> Iterator[bool]:
        """Every line looked at before the first is asked for."""
        seen: dict[str, int] = {}
        problems: list[BatchProblem] = []
        number = 0
        for number, line in self._lines(path):
            if isinstance(line, OmniJobsError):
                problems.append(_problem(line, number))
            elif (first := seen.setdefault(line.custom_id, number)) != number:
                told = f"`custom_id`: {line.custom_id!r:.80} is that of line {first} already."
                problems.append(
                    BatchProblem(code="duplicate_custom_id", message=told, line=number, param="custom_id")
                )
            if len(problems) >= MAX_PROBLEMS or number > MAX_LINES:
                break
            if number % CHUNK == 0:
                yield True
        if number > MAX_LINES or number == 0:
            told = f"A batch has 1 to {MAX_LINES} lines; this one has {'more' if number else 'none'}."
            problems.append(BatchProblem(code="invalid_file", message=told))
        if problems:
            self._fail(problems)
        else:
            self._save(self._batch.moved(BatchStatus.IN_PROGRESS, datetime.now(UTC), total=len(seen)))
        yield True

    def _run(self, path: Path) -> Generator[bool, None, BatchStatus]:
        """Submits and watches until all lines have ended; returns how the batch ends."""
        waiting: dict[str, int] = {}
        todo: list[Line] = []
        lines, is_read = self._chunks(path), False
        tally: Counter[str] = Counter()
        while True:
            ending = self._asked_to_end()
            if ending is not None:
                return ending
            if not todo and not is_read:
                todo = next(lines, [])
                is_read = not todo
            has_room = bool(todo) and len(waiting) <= WINDOW - CHUNK
            is_taken = has_room and self._submit(todo, waiting, tally)
            self._look(waiting, tally)
            counts = {"completed": tally[_SUCCEEDED], "failed": sum(tally.values()) - tally[_SUCCEEDED]}
            if counts != {"completed": self._batch.completed, "failed": self._batch.failed}:
                self._save(self._batch.model_copy(update=counts))
            if is_read and not todo and not waiting:
                return BatchStatus.COMPLETED
            yield is_taken

    def _asked_to_end(self) -> BatchStatus | None:
        batch = self._batch
        if self._service.store.is_batch_to_cancel(batch.account, batch.id):
            return BatchStatus.CANCELLED
        return BatchStatus.EXPIRED if datetime.now(UTC) >= batch.expires_at else None

    def _submit(self, todo: list[Line], waiting: dict[str, int], tally: Counter[str]) -> bool:
        """Takes lines from `todo` as they are submitted; False if no more can be now (full, a limit, a fault)."""
        batch, store = self._batch, self._service.store
        ids = [job_id_of(batch, line.number) for line in todo]
        for job_id, status in zip(ids, store.statuses(batch.account, ids), strict=True):
            line = todo[0]
            try:
                if status is None:
                    submit_one(batch.account, self._service, self._job(line), job_id)
            except InvalidRequest as error:
                if self._asked_to_end() is not None:  # the batch's end is a deadline that has passed
                    return False
                self._refused[line.number] = code_and_text(error)
                tally["refused"] += 1
            except OmniJobsError as error:
                LOG.info("batch waits for room", batch=batch.id, code=error.code)
                return False
            else:
                waiting[job_id] = line.number
            del todo[0]
        return True

    def _job(self, line: Line) -> JobRequest:
        images, mask = line.pictures
        if not images and mask is None:
            return job_of(line, self._batch, [], None)
        return asyncio.run_coroutine_threadsafe(self._job_with_pictures(line), self._loop).result()

    async def _job_with_pictures(self, line: Line) -> JobRequest:
        """Under one id for each picture of a line, however often it is stored."""
        service, batch, (images, mask) = self._service, self._batch, line.pictures
        white = [] if mask is None else [await white_mask(service, batch.account, mask, batch.base)]
        key = f"{batch.id}:{line.number}"
        ids = await stored_all(service, batch.account, images, batch.base, key)
        masks = await stored_all(service, batch.account, white, batch.base, key)
        return job_of(line, batch, ids, next(iter(masks), None))

    def _look(self, waiting: dict[str, int], tally: Counter[str]) -> None:
        """Takes those that have ended out of `waiting`."""
        if not waiting:
            return
        ids = list(waiting)
        for job_id, status in zip(ids, self._service.store.statuses(self._batch.account, ids), strict=True):
            if status is None or status in _FINAL:
                tally[status or "lost"] += 1
                del waiting[job_id]

    def _finalize(self, path: Path, ending: BatchStatus) -> Iterator[bool]:
        step = BatchStatus.CANCELLING if ending is BatchStatus.CANCELLED else BatchStatus.FINALIZING
        self._save(self._batch.moved(step, datetime.now(UTC)))
        results = write_results(self._service, self._batch, self._chunks(path), self._refused, ending)
        changes = yield from results
        self._save(self._batch.moved(ending, datetime.now(UTC), **changes))

    def _lines(self, path: Path) -> Iterator[tuple[int, Line | InvalidRequest]]:
        """Every line by its number, or what is wrong with it; blank ones are passed over."""
        cards, aliases = self._service.store.cards(), self._service.aliases
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                try:
                    yield number, parse_line(text, number, self._batch.endpoint, cards, aliases)
                except InvalidRequest as error:
                    yield number, error

    def _chunks(self, path: Path) -> Iterator[list[Line]]:
        chunk: list[Line] = []
        for _, line in self._lines(path):
            # A model may have left the catalogue since the file was validated: its lines are told as missing jobs.
            if isinstance(line, Line):
                chunk.append(line)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _fail(self, problems: list[BatchProblem]) -> None:
        self._save(self._batch.moved(BatchStatus.FAILED, datetime.now(UTC), errors=tuple(problems)))

    def _save(self, batch: Batch) -> None:
        self._batch = batch
        self._service.store.save_batch(batch)


def _problem(error: OmniJobsError, number: int) -> BatchProblem:
    return BatchProblem(code=error.code, message=str(error), line=number, param=error.field)
