"""What a slot does with a delivery, top to bottom: a doorbell, a claim, an attempt, its outputs rendered.

Celery's message only says "come and look"; what to do is in the job's record. However an attempt ends, the last
thing it does is a move with its attempt number (`finishing.py`), and a move that comes too late changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING

import structlog

from omni_jobs.errors import QueueUnavailable
from omni_jobs.logs import job_context
from omni_jobs.schemas import Enhancement, OutputOptions, Phase, Progress
from omni_jobs.store import Claim
from workers import media
from workers.checkpoints import AttemptCheckpoints
from workers.engine_process import EngineLost, Rendered, RenderRequest, RequestDropped, SpoolFile
from workers.finishing import commit
from workers.inputs import render_requests
from workers.leases import Lease
from workers.outcomes import Ending, ending_of
from workers.progress import Share, Start, progress_of
from workers.slots import Room
from workers.uploads import RenderedJob

if TYPE_CHECKING:
    from workers.service import WorkerService

log = structlog.get_logger(__name__)

#: Longest time in seconds between two looks at a job's progress.
PROGRESS_SECONDS = 0.25


def answer_doorbell(service: WorkerService) -> None:
    """Somebody rang: run ready jobs one after another until none is left, unless every slot does so already."""
    slots = service.slots
    if not slots.enter():
        return
    try:
        while True:
            seen = slots.rings
            claim = slots.claim(lambda room: claim_next(service, room))
            if claim is not None:
                run_company(service, claim)
            elif slots.leave(seen):
                return
    except BaseException:
        slots.abandon()
        raise


def claim_next(service: WorkerService, room: Room) -> Claim | None:
    """The best ready job of the models that are loaded here, leased."""
    models = service.engine.ready_models
    if not models:
        return None
    try:
        return service.store.claim_next(
            service.id,
            models,
            lease_seconds=service.settings.lease_seconds,
            min_priority=room.min_priority,
            shapes=room.shapes,
            alone=room.alone,
            company=room.company,
        )
    except QueueUnavailable as error:
        log.warning("nothing can be claimed", error=str(error))
        return None  # the reconciler rings again for what waits


def run_company(service: WorkerService, claim: Claim) -> None:
    """Run a job; of a suspect's company all that wait beside it, each on a thread of its own."""
    claims = [claim]
    while (one := service.slots.join(lambda room: claim_next(service, room))) is not None:
        claims.append(one)
    if len(claims) == 1:
        run_claim(service, claim)
        return
    log.info("suspects run in company", company=claim.company, jobs=[one.job_id for one in claims])
    with ThreadPoolExecutor(len(claims), thread_name_prefix="company") as threads:
        for ended in [threads.submit(run_claim, service, one) for one in claims]:
            ended.result()


def run_claim(service: WorkerService, claim: Claim) -> None:
    """Run one attempt: to its end, or until it is rendered. Never raises for what happens to the job."""
    checkpoints = AttemptCheckpoints(service, claim)
    lease = service.leases.take(claim)
    try:
        with job_context(claim.account, claim.job_id, claim.attempt):
            log.info("attempt begins", model=claim.request.model, seed=claim.seed)
            ended = attempted(service, claim, lease, checkpoints)
            if isinstance(ended, RenderedJob):
                service.uploads.put(ended)
            else:
                checkpoints.close(commit(service, claim, lease, ended))
                service.leases.release(lease)
    except BaseException:
        service.leases.release(lease)
        raise
    finally:
        was_last_of_company = service.slots.done(claim)
    if was_last_of_company or (isinstance(ended, Ending) and ended.crashed):
        service.housekeeping.sweep_soon()  # it rings for others, and makes room for suspects


def attempted(
    service: WorkerService, claim: Claim, lease: Lease, checkpoints: AttemptCheckpoints
) -> RenderedJob | Ending:
    """Run it until it is rendered, or say how it ended, whatever happens."""
    try:
        with TemporaryDirectory(prefix="attempt-", dir=service.spool, ignore_cleanup_errors=True) as folder:
            return run_attempt(service, claim, lease, checkpoints, Path(folder))
    except Exception as error:
        if isinstance(error, EngineLost) and error.blamed:
            checkpoints.suspect()
        ending = ending_of(error, claim, worker=service.id, is_draining=service.is_draining)
        log.log(ending.log_level, "attempt without outputs", error=str(error), exc_info=ending.is_unexpected)
        return ending


def run_attempt(
    service: WorkerService, claim: Claim, lease: Lease, checkpoints: AttemptCheckpoints, folder: Path
) -> RenderedJob:
    """Read the inputs into `folder` and render. The outputs stay in the worker's spool."""
    began = time.monotonic()
    claim, enhancement = enhanced(service, claim)
    requests = render_requests(service, claim, lease, checkpoints, folder)
    lease.enter(Phase.DENOISE)
    outputs = render(service, claim, lease, checkpoints, requests)
    tell(service, claim, Progress(phase=Phase.UPLOAD, percent=100.0, eta_seconds=0.0))
    return RenderedJob(claim, lease, checkpoints, tuple(outputs), enhancement, began, time.monotonic())


def enhanced(service: WorkerService, claim: Claim) -> tuple[Claim, Enhancement | None]:
    """The claim with the prompt that is to be drawn, and what is to be told of it."""
    job = claim.request
    if not job.enhance_prompt:
        return claim, None
    if service.enhancing is None:
        return claim, Enhancement(enhancement_skipped="this worker has nobody who rewrites prompts")
    own = service.engine.models[job.model].row.enhance_instructions
    found = service.enhancing.enhance(claim.account, job, own)
    if found.revised_prompt is None:
        return claim, found
    return replace(claim, request=job.model_copy(update={"prompt": found.revised_prompt})), found


def render(
    service: WorkerService,
    claim: Claim,
    lease: Lease,
    checkpoints: AttemptCheckpoints,
    requests: Sequence[RenderRequest],
) -> list[Rendered]:
    """Submit to the engine and wait, reporting progress. If one request fails the others are dropped."""
    futures: list[Future[Rendered]] = []
    try:
        for output, request in enumerate(requests):
            futures.append(service.engine.submit(request, partial(checkpoints.hear, output)))
        let_be = lease.when_stopped(lambda: let_go(service, lease, requests))
        wait_reporting(service, claim, checkpoints, requests, futures)
        let_be()
        return [future.result() for future in futures]
    except BaseException:
        drop(service, requests)
        if not lease.lost.is_set():
            checkpoints.settle(service.settings.grace_seconds / 4)
        for future in futures:
            if future.done() and future.exception() is None:
                future.result().discard()
        raise


def let_go(service: WorkerService, lease: Lease, requests: Sequence[RenderRequest]) -> None:
    """The attempt is to stop. While the job is ours its requests are saved first, within half of the grace."""
    if lease.lost.is_set():
        drop(service, requests)
        return
    for request in requests:
        service.engine.hand_back(request.request_id)
    patience = Timer(service.settings.grace_seconds / 2, drop, (service, requests))
    patience.daemon = True
    patience.start()


def drop(service: WorkerService, requests: Sequence[RenderRequest]) -> None:
    """The device stops working on these at its next call."""
    for request in requests:
        service.engine.cancel(request.request_id)


def wait_reporting(
    service: WorkerService,
    claim: Claim,
    checkpoints: AttemptCheckpoints,
    requests: Sequence[RenderRequest],
    futures: Sequence[Future[Rendered]],
) -> None:
    """Wait until all futures are done or one has failed; tell the store how far the job is.

    Those that are handed back are waited for to the last, because each brings a checkpoint.
    """
    told, start, pending = None, None, set(futures)
    while True:
        done, pending = wait(pending, timeout=PROGRESS_SECONDS, return_when="FIRST_EXCEPTION")
        checkpoints.tell()
        if not pending or any(not isinstance(one.exception() or RequestDropped(), RequestDropped) for one in done):
            return
        positions = [service.engine.position(request.request_id) for request in requests]
        shares = [Share(position, future.done()) for position, future in zip(positions, futures, strict=True)]
        start = start or Start.seen(shares, time.monotonic())
        progress = progress_of(shares, start, time.monotonic())
        shown = positions[progress.index]
        picture = shown.preview.take() if shown else None
        if progress != told or picture is not None:
            tell(service, claim, progress, picture)
            told = progress


def tell(service: WorkerService, claim: Claim, progress: Progress, picture: SpoolFile | None = None) -> None:
    """Note how far the job is and how it looks; droppable, so an outage is left to the lease's thread."""
    try:
        preview = media.encode(picture, OutputOptions()).content if picture is not None else None
        service.store.note_progress(claim.account, claim.job_id, claim.attempt, progress, preview)
    except QueueUnavailable:
        log.debug("progress dropped")
    except (OSError, ValueError) as error:
        log.warning("preview dropped", error=str(error))
