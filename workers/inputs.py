"""From a claim to the engine's requests: input pictures are fetched, checked and spooled. Called by the slots."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_jobs.errors import InvalidMedia, NotFound
from omni_jobs.schemas import JobRequest
from omni_jobs.store import Claim
from workers import media, objects
from workers.checkpoints import AttemptCheckpoints
from workers.engine_process import RenderRequest
from workers.leases import Lease
from workers.lora_folder import LoraFolder, resolve
from workers.registry import ModelRow

if TYPE_CHECKING:
    from workers.service import WorkerService


def render_requests(
    service: WorkerService, claim: Claim, lease: Lease, checkpoints: AttemptCheckpoints, folder: Path
) -> list[RenderRequest]:
    """The engine's requests: one per output, with seeds seed, seed+1, ..., spooled pictures and checkpoints."""
    job = claim.request
    fetched = {field: fetch_input(service, claim, lease, field, one) for field, one in job.pictures.items()}
    remaining = None if claim.deadline_ms is None else claim.deadline_ms / 1000 - time.time()
    requests = requests_of(
        job,
        service.engine.models[job.model].row,
        service.loras[job.model],
        fetched,
        name=f"{claim.job_id}.{claim.attempt}",
        seed=claim.seed,
        folder=folder,
        max_pixels=service.settings.max_input_pixels,
    )
    return [
        replace(request, remaining_seconds=remaining, checkpoint=checkpoints.fetch(index, folder, lease))
        for index, request in enumerate(requests)
    ]


def requests_of(
    job: JobRequest,
    row: ModelRow,
    loras: LoraFolder,
    fetched: Mapping[str, bytes],
    *,
    name: str,
    seed: int,
    folder: Path,
    max_pixels: int,
) -> list[RenderRequest]:
    """One request per output of a job, named `name` and its index; the pictures by field are checked and spooled.

    Raises:
        InvalidMedia: one of them is no picture. InvalidRequest: there is no such adapter.
    """
    # The pipeline knows its own defaults; these are the row's.
    parameters = {**row.defaults, **job.parameters}
    usual_negative = parameters.pop("negative_prompt", None)
    adapters = resolve(loras, parameters.pop("loras", ()))
    return [
        RenderRequest(
            request_id=f"{name}.{index}",
            model=job.model,
            prompt=job.prompt,
            negative_prompt=usual_negative if job.negative_prompt is None else job.negative_prompt,
            # One set of files per output: the receiver removes them.
            **_spooled(job, fetched, folder, max_pixels),
            loras=adapters,
            parameters=parameters,
            seed=seed + index,
            priority=job.priority,
            deterministic=job.deterministic,
            preview=job.preview,
        )
        for index in range(job.num_outputs)
    ]


def _spooled(job: JobRequest, fetched: Mapping[str, bytes], folder: Path, max_pixels: int) -> dict[str, Any]:
    """The pictures of a request, in fresh files."""
    files = {
        field: media.decode_input(content, field, max_pixels, folder, mask="mask" in field)
        for field, content in fetched.items()
    }
    inputs = {
        name: tuple(files[f"inputs.{name}.{place}"] for place in range(len(ids)))
        for name, ids in job.inputs.items()
    }
    images = tuple(files[f"images.{place}"] for place in range(len(job.images)))
    return {"images": images, "mask": files.get("mask"), "inputs": inputs}


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
