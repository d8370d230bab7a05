"""The whole life of one delivery, top to bottom: a doorbell, a claim, an attempt, its outputs, one fenced move.

Celery's message only says "come and look"; what to do is in the job's record. However an attempt ends, the last
thing it does is a move with its attempt number, and a move that comes too late changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import structlog

from omni_jobs.errors import IllegalMove, InvalidMedia, NotFound, QueueUnavailable, Superseded
from omni_jobs.logs import job_context
from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, Job, Phase, Sharing, Status
from omni_jobs.store import Claim
from workers import media, objects
from workers.engine_process import Rendered, RenderRequest, SpoolFile
from workers.leases import Lease
from workers.outcomes import Ending, ending_of
from workers.progress import Share, progress_of
from workers.slots import Room

if TYPE_CHECKING:
    from workers.service import WorkerService

log = structlog.get_logger(__name__)

#: Longest time in seconds between two looks at a job's progress.
PROGRESS_SECONDS = 0.25
#: Pause in seconds before a move is tried again while Redis does not answer.
MOVE_PAUSE_SECONDS = 0.5


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
                run_claim(service, claim)
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
        )
    except QueueUnavailable as error:
        log.warning("nothing can be claimed", error=str(error))
        return None  # the reconciler rings again for what waits


def run_claim(service: WorkerService, claim: Claim) -> None:
    """Run one attempt and end it with one move; never raises for what happens to the job."""
    try:
        with job_context(claim.account, claim.job_id, claim.attempt), service.leases.hold(claim) as lease:
            log.info("attempt begins", model=claim.request.model, seed=claim.seed)
            commit(service, claim, lease, ending_of_attempt(service, claim, lease))
    finally:
        was_exclusive = service.slots.done(claim)
    if was_exclusive:
        service.housekeeping.sweep_soon()


def ending_of_attempt(service: WorkerService, claim: Claim, lease: Lease) -> Ending:
    """Run it and say how it ended, whatever happens."""
    try:
        with TemporaryDirectory(prefix="attempt-", dir=service.spool, ignore_cleanup_errors=True) as folder:
            return run_attempt(service, claim, lease, Path(folder))
    except Exception as error:
        ending = ending_of(error, claim, worker=service.id, is_draining=service.is_draining)
        log.log(ending.log_level, "attempt without outputs", error=str(error), exc_info=ending.is_unexpected)
        return ending


def run_attempt(service: WorkerService, claim: Claim, lease: Lease, folder: Path) -> Ending:
    """Read the inputs into `folder`, render, encode, upload, verify."""
    began = time.monotonic()
    requests = render_requests(service, claim, lease, folder)
    lease.enter(Phase.DENOISE)
    rendered = render(service, claim, lease, requests)
    rendered_at = time.monotonic()
    lease.enter(Phase.UPLOAD)
    artifacts = store_outputs(service, claim, lease, rendered)
    timings = {
        "render_seconds": round(rendered_at - began, 3),
        "upload_seconds": round(time.monotonic() - rendered_at, 3),
    }
    return Ending(Status.SUCCEEDED, artifacts=artifacts, sharing=sharing_of(rendered), timings=timings)


def render_requests(service: WorkerService, claim: Claim, lease: Lease, folder: Path) -> list[RenderRequest]:
    """The engine's requests: one per output, with seeds seed, seed+1, ... and spooled input pictures."""
    job = claim.request
    inputs = {
        field: fetch_input(service, claim, lease, field, input_id)
        for field, input_id in (*((f"images.{i}", one) for i, one in enumerate(job.images)), ("mask", job.mask))
        if input_id is not None
    }
    defaults = service.engine.models[job.model].row.defaults  # the pipeline knows its own
    remaining = None if claim.deadline_ms is None else claim.deadline_ms / 1000 - time.time()
    requests = []
    for index in range(job.num_outputs):
        # One set of files per output: the receiver removes them.
        spooled = {
            field: media.decode_input(
                content, field, service.settings.max_input_pixels, folder, mask=field == "mask"
            )
            for field, content in inputs.items()
        }
        requests.append(
            RenderRequest(
                request_id=f"{claim.job_id}.{claim.attempt}.{index}",
                model=job.model,
                prompt=job.prompt,
                negative_prompt=job.negative_prompt,
                images=tuple(file for field, file in spooled.items() if field != "mask"),
                mask=spooled.get("mask"),
                parameters={**defaults, **job.parameters},
                seed=claim.seed + index,
                priority=job.priority,
                remaining_seconds=remaining,
                deterministic=job.deterministic,
                preview=job.preview,
            )
        )
    return requests


def fetch_input(service: WorkerService, claim: Claim, lease: Lease, field: str, input_id: str) -> bytes:
    """The file of one input.

    Raises:
        InvalidMedia: it is not there any more.
    """
    try:
        upload = service.store.find_input(claim.account, input_id)
    except NotFound as error:
        raise InvalidMedia(f"`{field}`: {error.message}", field=field, value=input_id) from error
    return objects.read_input(service.objects, upload, field, service.settings.max_input_bytes, lease)


def render(
    service: WorkerService, claim: Claim, lease: Lease, requests: Sequence[RenderRequest]
) -> list[Rendered]:
    """Submit to the engine and wait, reporting progress. If one request fails the others are dropped."""
    futures: list[Future[Rendered]] = []
    try:
        lease.when_stopped(lambda: drop(service, requests))
        for request in requests:
            futures.append(service.engine.submit(request))  # noqa: PERF401  those before a refusal count
        wait_reporting(service, claim, requests, futures)
        return [future.result() for future in futures]
    except BaseException:
        drop(service, requests)
        for future in futures:
            if future.done() and future.exception() is None:
                future.result().discard()
        raise


def drop(service: WorkerService, requests: Sequence[RenderRequest]) -> None:
    """The device stops working on these at its next call."""
    for request in requests:
        service.engine.cancel(request.request_id)


def wait_reporting(
    service: WorkerService, claim: Claim, requests: Sequence[RenderRequest], futures: Sequence[Future[Rendered]]
) -> None:
    """Wait until all futures are done or one has failed; tell the store how far the job is."""
    told, denoising_since = None, None
    while True:
        done, pending = wait(futures, timeout=PROGRESS_SECONDS, return_when="FIRST_EXCEPTION")
        if not pending or any(future.exception() for future in done):
            return
        positions = [service.engine.position(request.request_id) for request in requests]
        if denoising_since is None and any(position and position.step for position in positions):
            denoising_since = time.monotonic()
        shares = [Share(position, future in done) for position, future in zip(positions, futures, strict=True)]
        progress = progress_of(shares, time.monotonic() - (denoising_since or time.monotonic()))
        if progress == told:
            continue
        try:
            service.store.note_progress(claim.account, claim.job_id, claim.attempt, progress)
            told = progress
        except QueueUnavailable:
            continue  # droppable; the lease's thread tells of the outage


def store_outputs(
    service: WorkerService, claim: Claim, lease: Lease, rendered: Sequence[Rendered]
) -> list[Artifact]:
    """Encode and upload every output under a key that contains the attempt."""
    artifacts: list[Artifact] = []
    try:
        for number, output in enumerate(rendered):
            for file in output.files:
                artifacts.append(store_output(service, claim, lease, file, len(artifacts), claim.seed + number))
    finally:
        for output in rendered:
            output.discard()
    return artifacts


def store_output(
    service: WorkerService, claim: Claim, lease: Lease, file: SpoolFile, index: int, seed: int
) -> Artifact:
    """One output: encoded with its parameters inside, stored, verified."""
    job = claim.request
    facts = {
        "job": claim.job_id,
        "model": job.model,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "seed": seed,
        "parameters": {**service.engine.models[job.model].card.get("defaults", {}), **job.parameters},
        "versions": service.engine.models[job.model].versions,
    }
    encoded = media.encode(file, job.output, {name: fact for name, fact in facts.items() if fact})
    key = f"out/{claim.account}/{claim.job_id}/{claim.attempt}/{index}.{encoded.extension}"
    metadata = {"job": claim.job_id, "attempt": str(claim.attempt), "seed": str(seed)}
    digest = objects.write_output(service.objects, key, encoded, metadata, lease)
    return Artifact(
        id=artifact_id(claim.job_id, index),
        index=index,
        key=key,
        content_type=encoded.content_type,
        size_bytes=len(encoded.content),
        sha256=digest,
        seed=seed,
        width=encoded.width,
        height=encoded.height,
    )


def sharing_of(rendered: Sequence[Rendered]) -> Sharing:
    """How the job's denoise calls were served, over all its outputs."""
    tallies = [output.metrics for output in rendered]
    return Sharing(
        calls=sum(tally["calls"] for tally in tallies),
        shared_calls=sum(tally["shared_calls"] for tally in tallies),
        forwards=round(sum(tally["forwards"] for tally in tallies), 4),
        max_batch=max(tally["max_batch"] for tally in tallies),
        device_seconds=round(sum(tally["device_seconds"] for tally in tallies), 6),
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
