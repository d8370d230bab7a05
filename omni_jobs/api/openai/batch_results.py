"""The files that say what became of a batch's lines; whatever has not ended is called off first."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from omni_jobs import queue
from omni_jobs.api.faces.files import add_file
from omni_jobs.api.openai.batch_lines import code_and_text, error_row, job_id_of, result_row
from omni_jobs.api.service import Service
from omni_jobs.errors import IllegalMove, NotFound
from omni_jobs.faces.outcome import error_of
from omni_jobs.schemas import Job, Status
from omni_jobs.schemas.batches import Batch, BatchStatus

#: A line's number and `custom_id`.
Named = tuple[int, str]
#: What a line says that ended because its batch did; the jobs' own codes of that kind.
ENDINGS = {
    BatchStatus.CANCELLED: ("batch_cancelled", "The batch was cancelled before this line was finished."),
    BatchStatus.EXPIRED: ("batch_expired", "The batch expired before this line was finished."),
    BatchStatus.COMPLETED: ("not_found", "The job of this line was deleted."),
}
_ENDED_WITH_BATCH = ("canceled", "expired", "deadline_exceeded")


def write_results(
    service: Service,
    batch: Batch,
    chunks: Iterable[list[Named]],
    refused: Mapping[int, tuple[str, str]],
    ending: BatchStatus,
) -> Generator[bool, None, dict[str, Any]]:
    """Yields after each chunk; returns counts and file ids. Lines that succeeded are told whatever the ending.

    Args:
        chunks: the lines, in order.
        refused: code and words of lines that never became jobs, by their number.
    """
    failures: Counter[str] = Counter()
    completed = 0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for chunk in chunks:
            for (number, custom_id), job in zip(chunk, _ended(service, batch, chunk), strict=True):
                if job is not None and job.status is Status.SUCCEEDED:
                    completed += 1
                    _write(out, result_row(batch, custom_id, number, job))
                else:
                    code, text = refused.get(number) or _reason(job, ending)
                    failures[code] += 1
                    _write(err, error_row(batch, custom_id, number, code, text, job))
            yield True
        failed = sum(failures.values())
        return {
            "completed": completed,
            "failed": failed,
            "failures": dict(failures),
            "output_file_id": _kept(service, batch, out, "output") if completed else None,
            "error_file_id": _kept(service, batch, err, "error") if failed else None,
        }


def _ended(service: Service, batch: Batch, lines: list[Named]) -> list[Job | None]:
    """The jobs of these lines, none of which goes on."""
    store, ids = service.store, [job_id_of(batch, number) for number, _ in lines]
    for job in store.get_many(batch.account, ids):
        if job is not None and not job.is_finished:
            with suppress(IllegalMove):  # it ended by itself just now
                queue.cancel(store, batch.account, job.id)
    return store.get_many(batch.account, ids)


def _reason(job: Job | None, ending: BatchStatus) -> tuple[str, str]:
    error = error_of(job) if job else None
    if error is None or (ending is not BatchStatus.COMPLETED and error.code in _ENDED_WITH_BATCH):
        return ENDINGS[ending]
    return code_and_text(error)


def _write(file: BinaryIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def _kept(service: Service, batch: Batch, file: BinaryIO, word: str) -> str:
    """Under an id that follows from the batch: a repeat writes over it, and what is kept is not counted again."""
    file_id = f"file-{hashlib.sha256(f'{batch.id}/{word}'.encode()).hexdigest()[:28]}"
    service.reserve_bytes(batch.account, max(0, file.tell() - _size_of(service, batch.account, file_id)))
    file.seek(0)
    kept = add_file(
        service,
        batch.account,
        file,
        purpose="batch_output",
        filename=f"{batch.id}_{word}.jsonl",
        content_type="application/jsonl",
        life_seconds=batch.output_life_seconds,
        file_id=file_id,
    )
    return kept.id


def _size_of(service: Service, account: str, file_id: str) -> int:
    try:
        return service.store.file(account, file_id).size_bytes
    except NotFound:
        return 0
