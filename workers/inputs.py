"""From a claim to the engine's requests: input pictures are fetched, checked and spooled. Called by the slots."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from omni_jobs.errors import InvalidMedia, NotFound
from omni_jobs.store import Claim
from workers import media, objects
from workers.checkpoints import AttemptCheckpoints
from workers.engine_process import RenderRequest
from workers.leases import Lease
from workers.lora_folder import resolve

if TYPE_CHECKING:
    from workers.service import WorkerService


def render_requests(
    service: WorkerService, claim: Claim, lease: Lease, checkpoints: AttemptCheckpoints, folder: Path
) -> list[RenderRequest]:
    """The engine's requests: one per output, with seeds seed, seed+1, ..., spooled pictures and checkpoints."""
    job = claim.request
    fetched = {field: fetch_input(service, claim, lease, field, one) for field, one in job.pictures.items()}
    # The pipeline knows its own defaults; these are the row's.
    parameters = {**service.engine.models[job.model].row.defaults, **job.parameters}
    usual_negative = parameters.pop("negative_prompt", None)
    loras = resolve(service.loras[job.model], parameters.pop("loras", ()))
    remaining = None if claim.deadline_ms is None else claim.deadline_ms / 1000 - time.time()
    requests = []
    for index in range(job.num_outputs):
        # One set of files per output: the receiver removes them.
        spooled = {
            field: media.decode_input(
                content, field, service.settings.max_input_pixels, folder, mask="mask" in field
            )
            for field, content in fetched.items()
        }
        requests.append(
            RenderRequest(
                request_id=f"{claim.job_id}.{claim.attempt}.{index}",
                model=job.model,
                prompt=job.prompt,
                negative_prompt=usual_negative if job.negative_prompt is None else job.negative_prompt,
                images=tuple(spooled[f"images.{place}"] for place in range(len(job.images))),
                mask=spooled.get("mask"),
                inputs={
                    name: tuple(spooled[f"inputs.{name}.{place}"] for place in range(len(ids)))
                    for name, ids in job.inputs.items()
                },
                loras=loras,
                parameters=parameters,
                seed=claim.seed + index,
                priority=job.priority,
                remaining_seconds=remaining,
                deterministic=job.deterministic,
                preview=job.preview,
                checkpoint=checkpoints.fetch(index, folder, lease),
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
