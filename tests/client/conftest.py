"""A deployment that producers can reach: a catalogue, a place for objects, and a hand that plays the worker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, Deployment, Job, ModelCard, PictureRule, Status
from omni_jobs.store import JobStore
from storage import ObjectStore, open_store

CARD = ModelCard(
    name="tiny",
    tasks=("generate", "edit"),
    pipeline="TinyPipeline",
    parameters_schema={
        "type": "object",
        "properties": {
            "width": {"type": "integer", "minimum": 16, "maximum": 1024, "multipleOf": 16},
            "height": {"type": "integer", "minimum": 16, "maximum": 1024, "multipleOf": 16},
            "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 100},
        },
    },
    defaults={"width": 64, "height": 64, "num_inference_steps": 4},
    max_input_images=2,
    accepts_mask=True,
    inputs={"control_image": PictureRule(most=2)},
)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """The deployment's object store."""
    return open_store(str(tmp_path / "objects"))


@pytest.fixture
def deployed(store: JobStore, tmp_path: Path, objects: ObjectStore) -> JobStore:
    """A store whose catalogue has `tiny` and that says where objects are."""
    store.publish_card(CARD)
    store.publish_deployment(Deployment(storage_url=str(tmp_path / "objects")))
    return store


def picture(kind: str = "PNG", side: int = 8) -> bytes:
    """A small picture's bytes."""
    file = BytesIO()
    Image.new("RGB", (side, side), (200, 10, 10)).save(file, kind)
    return file.getvalue()


def work(store: JobStore, objects: ObjectStore, content: bytes = b"pixels") -> Job:
    """Runs the next job as a worker does: claim, store the output, commit."""
    claim = store.claim_next("w", ["tiny"], lease_seconds=30)
    assert claim is not None
    info = objects.put(f"jobs/{claim.job_id}/{claim.attempt}/0.png", content, content_type="image/png")
    artifact = Artifact(
        id=artifact_id(claim.job_id, 0),
        index=0,
        key=info.key,
        content_type=info.content_type,
        size_bytes=info.size_bytes,
        sha256=info.sha256 or "",
        seed=claim.seed,
    )
    return store.move(claim.account, claim.job_id, Status.SUCCEEDED, attempt=claim.attempt, artifacts=[artifact])
