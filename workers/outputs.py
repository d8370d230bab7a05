"""From rendered outputs to artifacts: encoded with their parameters inside, stored, verified."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, JobRequest, Sharing
from workers import media, objects
from workers.engine_process import ModelState, Rendered, SpoolFile
from workers.uploads import RenderedJob

if TYPE_CHECKING:
    from workers.service import WorkerService


#: How long storage is tried after a job was rendered. Then its attempt is spent: another worker may reach storage.
PATIENCE_SECONDS = 3600.0


def store_outputs(service: WorkerService, rendered: RenderedJob) -> list[Artifact]:
    """Encode and upload every output under a key that contains the attempt. Media come first, then tensors."""
    artifacts: list[Artifact] = []
    seed, outputs = rendered.claim.seed, rendered.outputs
    numbered = [(seed + number, file) for number, output in enumerate(outputs) for file in output.files]
    for seed, file in sorted(numbered, key=lambda item: item[1].kind == "tensors"):
        artifacts.append(store_output(service, rendered, file, len(artifacts), seed))
    return artifacts


def store_output(
    service: WorkerService, rendered: RenderedJob, file: SpoolFile, index: int, seed: int
) -> Artifact:
    """One output: encoded with its parameters inside, signed if the operator wants that, stored, verified."""
    claim, lease, job = rendered.claim, rendered.lease, rendered.claim.request
    tell = partial(service.uploads.tried, lease)
    tell()
    # A deterministic job asked twice gives the same file twice.
    owner = None if job.deterministic else claim.job_id
    encoded = media.encode(file, job.output, embedded(job, service.engine.models[job.model], seed, owner))
    ends = rendered.rendered_at + PATIENCE_SECONDS
    encoded = objects.persist(partial(service.sign, encoded, job), lease, ends, tell)
    key = f"out/{claim.account}/{claim.job_id}/{claim.attempt}/{index}.{encoded.extension}"
    metadata = {"job": claim.job_id, "attempt": str(claim.attempt), "seed": str(seed)}
    digest = objects.write_output(service.objects, key, encoded, metadata, lease, ends, tell)
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


def embedded(job: JobRequest, model: ModelState, seed: int, job_id: str | None = None) -> dict[str, Any]:
    """What a file says of how it was made."""
    facts = {
        "job": job_id,
        "model": job.model,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "seed": seed,
        "parameters": {**model.card.get("defaults", {}), **job.parameters},
        "versions": model.versions,
    }
    return {name: fact for name, fact in facts.items() if fact or name == "seed"}


def sharing_of(rendered: Sequence[Rendered]) -> Sharing:
    """How the job's denoise calls were served, over all its outputs."""
    tallies = [output.metrics for output in rendered]
    return Sharing(
        calls=sum(tally["calls"] for tally in tallies),
        calls_saved=sum(tally.get("calls_saved", 0) for tally in tallies),
        shared_calls=sum(tally["shared_calls"] for tally in tallies),
        forwards=round(sum(tally["forwards"] for tally in tallies), 4),
        max_batch=max(tally["max_batch"] for tally in tallies),
        device_seconds=round(sum(tally["device_seconds"] for tally in tallies), 6),
    )
