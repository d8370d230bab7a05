"""The checkpoints of one attempt: taken from the engine, stored beside the outputs, named in the job's record.

The engine's reader thread tells of them; a few threads store them, so that slow storage holds up neither device
nor slot. A record names a checkpoint only after storage has it, and only while its attempt is the current one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from omni_jobs.errors import NotFound, OmniJobsError, QueueUnavailable
from omni_jobs.names import checkpoint_prefix
from omni_jobs.schemas import Job
from omni_jobs.store import Claim
from storage import StorageError
from workers.engine_process import SpoolFile, write_spool
from workers.leases import Lease
from workers.objects import persist

if TYPE_CHECKING:
    from workers.service import WorkerService

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/octet-stream"
#: A checkpoint under which the engine process died so often is given up.
SUSPECT_AFTER_CRASHES = 2


@dataclass(frozen=True)
class Stored:
    """What a job's record says of one output's checkpoint.

    `crashes` counts attempts that took it up and died in the executing batch before there was a newer one.
    """

    key: str
    sha256: str
    step: int
    crashes: int = 0


class AttemptCheckpoints:
    """Of one attempt, by the number of the output. Those of earlier attempts count until there are newer ones."""

    def __init__(self, service: WorkerService, claim: Claim) -> None:
        self._service = service
        self._claim = claim
        self._log = log.bind(account=claim.account, job=claim.job_id, attempt=claim.attempt)
        self._stored = read_pointer(claim.checkpoint)
        self._taken_up: dict[int, Stored] = {}
        self._leaves_objects = claim.checkpoint is not None
        self._changed = threading.Condition()
        self._fresh: dict[int, tuple[SpoolFile, int]] = {}
        self._resumed: list[dict[str, Any]] = []
        self._reasons: set[str] = set()
        self._is_storing = False
        self._is_closed = False

    def fetch(self, output: int, folder: Path, lease: Lease) -> SpoolFile | None:
        """The checkpoint from which this output goes on, spooled; None if there is none, or none that is right.

        One that may be what kills the engine process is given up: from its start the job may run well.
        """
        known = self._stored.get(output)
        if known is None:
            return None
        if known.crashes >= SUSPECT_AFTER_CRASHES:
            self._hear_resumed(output, 0, f"the engine process died {known.crashes} times after it was taken up")
            return None
        try:
            content = persist(lambda: self._service.objects.get(known.key), lease)
        except StorageError as error:
            self._hear_resumed(output, 0, f"it cannot be read: {error}")
            return None
        if hashlib.sha256(content).hexdigest() != known.sha256:
            self._hear_resumed(output, 0, "its digest is not the recorded one")
            return None
        self._taken_up[output] = known
        return write_spool(folder, content, (len(content),))

    def hear(self, output: int, message: Mapping[str, Any]) -> None:
        """The engine tells of this output's request: a checkpoint, or what became of one."""
        match message["kind"]:
            case "checkpoint":
                self._service.tally.taken(message["seconds"])
                self._take(output, SpoolFile.from_json(message["file"]), int(message["step"]))
            case "resumed":
                self._hear_resumed(output, message["step"], message["refused"])
            case "not_saved" if message["reason"] not in self._reasons:
                self._reasons.add(message["reason"])
                self._log.info("attempt not saved", output=output, reason=message["reason"])

    def tell(self) -> None:
        """Say in the job's events from where its outputs went on."""
        claim = self._claim
        while self._resumed:
            try:
                self._service.store.note_resumed(claim.account, claim.job_id, claim.attempt, self._resumed[0])
            except QueueUnavailable:
                return  # said the next time
            self._resumed.pop(0)

    def suspect(self) -> None:
        """The engine process died while it computed this attempt: say so of what the attempt began with."""
        held = {
            output: replace(one, crashes=one.crashes + 1) if one is self._taken_up.get(output) else one
            for output, one in self._stored.items()
        }
        if held != self._stored:
            try:
                self._service.store.note_checkpoint(
                    self._claim.account, self._claim.job_id, self._claim.attempt, pointer_to(held)
                )
            except QueueUnavailable as error:
                self._log.warning("checkpoint not suspected", error=str(error))

    def settle(self, seconds: float) -> None:
        """Wait, at most so long, until what the engine has told of is stored and in the record."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_storing, seconds)

    def close(self, job: Job | None) -> None:
        """The attempt is over, with `job` as its move left it. Those of a job that has ended are deleted."""
        with self._changed:
            self._is_closed = True
            unwanted, self._fresh = self._fresh, {}
        for file, _step in unwanted.values():
            file.remove()
        if self._leaves_objects and (job is None or job.is_finished):
            self._service.checkpointing.do(self._delete_all)

    def _hear_resumed(self, output: int, step: int, refused: str | None) -> None:
        self._service.tally.resumed(refused)
        if refused is None:
            self._log.info("attempt resumed", output=output, step=step)
        else:
            self._log.warning("checkpoint refused; beginning from step 0", output=output, reason=refused)
        facts = {"output": output, "step": step}
        self._resumed.append(facts if refused is None else {**facts, "refused": refused[:200]})

    def _take(self, output: int, file: SpoolFile, step: int) -> None:
        """Keep the newest of each output until the storing thread comes to it."""
        with self._changed:
            unwanted = (file, step) if self._is_closed else self._fresh.get(output)
            if not self._is_closed:
                self._fresh[output] = (file, step)
                if not self._is_storing:
                    self._is_storing = True
                    self._service.checkpointing.do(self._store_fresh)
        if unwanted is not None:
            unwanted[0].remove()

    def _store_fresh(self) -> None:
        while True:
            with self._changed:
                if not self._fresh:
                    self._is_storing = False
                    self._changed.notify_all()
                    return
                output = next(iter(self._fresh))  # whoever waits longest
                file, step = self._fresh.pop(output)
            try:
                self._store(output, file.take(), step)
            except (OmniJobsError, StorageError, OSError, ValueError) as error:
                self._service.tally.dropped()
                self._log.warning("checkpoint dropped", output=output, step=step, error=str(error))

    def _store(self, output: int, content: bytes, step: int) -> None:
        claim, service = self._claim, self._service
        digest = hashlib.sha256(content).hexdigest()
        prefix = checkpoint_prefix(claim.account, claim.job_id)
        fresh = Stored(f"{prefix}{claim.attempt}/{output}-{step}-{digest[:8]}.safetensors", digest, step)
        self._leaves_objects = True
        service.objects.put(fresh.key, content, content_type=CONTENT_TYPE, sha256=digest)
        stored = {**self._stored, output: fresh}
        if not service.store.note_checkpoint(claim.account, claim.job_id, claim.attempt, pointer_to(stored)):
            service.objects.delete(fresh.key)
            return
        old, self._stored = self._stored.get(output), stored
        service.tally.stored(len(content))
        self._log.info("checkpoint", output=output, step=step, size_bytes=len(content))
        if old is not None and old.key != fresh.key:
            service.objects.delete(old.key)

    def _delete_all(self) -> None:
        """Unless the job goes on elsewhere. What stays behind, because storage fails, is left to the collector."""
        claim, service = self._claim, self._service
        try:
            if not service.store.get(claim.account, claim.job_id).is_finished:
                return
        except NotFound:
            pass  # deleted by its owner
        except OmniJobsError:
            return
        try:
            prefix = checkpoint_prefix(claim.account, claim.job_id)
            service.objects.delete_many([found.key for found in service.objects.list(prefix)])
        except StorageError as error:
            self._log.warning("checkpoints left behind", error=str(error))


def read_pointer(pointer: Mapping[str, Any] | None) -> dict[int, Stored]:
    """The checkpoints that a record names, by output; none if a later version wrote it otherwise."""
    try:
        return {int(output): Stored(**facts) for output, facts in (pointer or {}).get("outputs", {}).items()}
    except (TypeError, ValueError):
        return {}


def pointer_to(stored: Mapping[int, Stored]) -> dict[str, Any]:
    """The JSON that a record keeps."""
    return {"outputs": {str(output): asdict(one) for output, one in stored.items()}}
