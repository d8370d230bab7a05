"""From rendered outputs to the move that ends an attempt: stored, verified, committed. `uploads.py` calls it.

Nothing here holds a slot or the device. The move carries the attempt's number, and one that comes too late changes
nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from omni_jobs.errors import IllegalMove, NotFound, QueueUnavailable, Superseded
from omni_jobs.logs import job_context
from omni_jobs.schemas import Job, Status
from omni_jobs.store import Claim
from workers.engine_process import RequestDropped
from workers.leases import Lease
from workers.outcomes import Ending, ending_of
from workers.outputs import sharing_of, store_outputs
from workers.uploads import RenderedJob

if TYPE_CHECKING:
    from workers.service import WorkerService

log = structlog.get_logger(__name__)

#: Pause in seconds before a move is tried again while Redis does not answer.
MOVE_PAUSE_SECONDS = 0.5


def finish(service: WorkerService, job: RenderedJob) -> None:
    """Store the outputs of a rendered job and end its attempt; never raises for what happens to the job."""
    with job_context(job.claim.account, job.claim.job_id, job.claim.attempt):
        _end(service, job, None if job.lease.lost.is_set() else _stored(service, job))


def hand_back(service: WorkerService, job: RenderedJob) -> None:
    """The worker drains and storage is too slow: another worker renders it again, from its last checkpoint."""
    with job_context(job.claim.account, job.claim.job_id, job.claim.attempt):
        _end(service, job, ending_of(RequestDropped(), job.claim, worker=service.id, is_draining=True))


def _end(service: WorkerService, job: RenderedJob, ending: Ending | None) -> None:
    """Commit, and let go of the attempt; without an ending it is no longer ours."""
    try:
        moved = None if ending is None else commit(service, job.claim, job.lease, ending)
        job.checkpoints.close(moved)
    finally:
        service.leases.release(job.lease)


def _stored(service: WorkerService, job: RenderedJob) -> Ending:
    try:
        artifacts = store_outputs(service, job)
    except Exception as error:
        ending = ending_of(error, job.claim, worker=service.id, is_draining=service.is_draining)
        log.log(ending.log_level, "outputs are not stored", error=str(error), exc_info=ending.is_unexpected)
        return ending
    timings = {
        "render_seconds": round(job.rendered_at - job.began, 3),
        "upload_seconds": round(time.monotonic() - job.rendered_at, 3),
    }
    return Ending(
        Status.SUCCEEDED,
        artifacts=artifacts,
        sharing=sharing_of(job.outputs),
        timings=timings,
        enhancement=job.enhancement,
    )


def commit(service: WorkerService, claim: Claim, lease: Lease, ending: Ending) -> Job | None:
    """The move that ends the attempt, tried again while Redis does not answer; None if it is no longer ours."""
    while not lease.lost.is_set():
        try:
            job = service.store.move(
                claim.account, claim.job_id, ending.status, attempt=claim.attempt, **ending.facts()
            )
        except QueueUnavailable as error:
            log.warning("move waits for Redis", to=ending.status, error=str(error))
            if service.is_closed.wait(MOVE_PAUSE_SECONDS):
                return None
        except (Superseded, NotFound, IllegalMove) as error:
            log.warning("attempt was superseded; its outputs stay invisible", error=str(error))
            return None
        else:
            log.info("attempt ends", status=job.status, artifacts=len(job.artifacts))
            if job.status is Status.QUEUED:
                service.ring(claim)
            return job
    log.info("attempt dropped: the job is no longer ours")
    return None
