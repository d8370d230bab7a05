"""One API process over a real Redis and a folder of objects, shared by the suite; and what plays the worker."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from omni_jobs.names import artifact_id
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Artifact, Job, ModelCard, Status, WorkerInfo
from omni_jobs.settings import Settings
from omni_jobs.store import Claim, JobStore, connect
from storage import LocalStore
from tests.servers.processes import api

MODEL = "paper"
LEASE_SECONDS = 60.0


@dataclass
class Served:
    """The API's address, and a way past it."""

    url: str
    store: JobStore
    objects: LocalStore
    environment: dict[str, Any]

    def claim(self, job_id: str) -> Claim:
        """Leases exactly this job, as its worker would."""
        while True:
            claim = self.store.claim_next("tester", [MODEL], lease_seconds=LEASE_SECONDS)
            assert claim is not None, f"{job_id} is not ready"
            if claim.job_id == job_id:
                return claim

    def succeed(self, claim: Claim, content: bytes) -> Job:
        """Stores one output and ends the job with it."""
        key = f"out/{claim.account}/{claim.job_id}/{claim.attempt}/0.png"
        self.objects.put(key, content, content_type="image/png")
        artifact = Artifact(
            id=artifact_id(claim.job_id, 0),
            index=0,
            key=key,
            content_type="image/png",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            seed=claim.seed,
        )
        return self.store.move(
            claim.account, claim.job_id, Status.SUCCEEDED, attempt=claim.attempt, artifacts=[artifact]
        )


def job_body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "a fox", **fields}


def picture(side: int = 8) -> bytes:
    file = BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, "PNG")
    return file.getvalue()


def card(name: str = MODEL) -> ModelCard:
    """A model that no worker serves; tests run its jobs themselves."""
    properties = {"width": {"type": "integer", "minimum": 16}, "num_inference_steps": {"type": "integer"}}
    return ModelCard(
        name=name,
        tasks=("generate", "edit"),
        pipeline="PaperPipeline",
        parameters_schema={"type": "object", "properties": properties, "additionalProperties": False},
        defaults={"width": 64, "height": 64, "num_inference_steps": 4},
        max_input_images=2,
    )


def live_worker(**changes: Any) -> WorkerInfo:
    now = datetime.now(UTC)
    facts: dict[str, Any] = {"id": "tester", "host": "here", "models": {MODEL: "ready"}, "slots": 2}
    return WorkerInfo(**(facts | {"started_at": now, "beat_at": now} | changes))


@pytest.fixture(scope="session")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("api")
    settings = {
        "redis_url": redis_server.url,
        "key_prefix": f"t{secrets.token_hex(6)}",
        "storage_url": str(folder / "objects"),
        "data_dir": str(folder),
        "stream_seconds": 60,
        "max_input_bytes": 200_000,
        "max_body_bytes": 300_000,
    }
    store = connect(Settings.model_validate(settings))
    store.publish_card(card())
    with api(folder, **settings) as url:
        yield Served(url, store, LocalStore(folder / "objects"), settings)
    store.close()


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client
