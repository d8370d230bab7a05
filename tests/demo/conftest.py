"""A run of the demo as it would have been: jobs, pictures and a comparison, made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from omni_jobs.demo.comparing import Comparison
from omni_jobs.demo.drawing import Drawn
from omni_jobs.demo.orders import Order, edits, generations
from omni_jobs.schemas import Job, JobRequest, Sharing, Status

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
JOBS = 32


@pytest.fixture
def drawn(tmp_path: Path) -> list[Drawn]:
    """All orders, each served by a job that took ten seconds and shared its calls with three others."""
    return [_drawn(order, tmp_path) for order in (*generations(), *edits())]


@pytest.fixture
def comparison() -> Comparison:
    """As good as can be."""
    return Comparison(latents=1e-5, latents_jobs=11, pixels=1 / 255, pixels_jobs=JOBS, right=(True,) * JOBS)


def _drawn(order: Order, folder: Path) -> Drawn:
    picture = folder / order.file_name
    Image.new("RGB", (64, 64), "red").save(picture)
    job = Job(
        id=f"job_{order.number:02}",
        account="default",
        status=Status.SUCCEEDED,
        request=JobRequest(model="shapes", prompt=order.prompt),
        seed=order.seed,
        created_at=BEGAN,
        finished_at=BEGAN + timedelta(seconds=10),
        sharing=Sharing(
            calls=order.steps, shared_calls=order.steps, forwards=order.steps / 4, max_batch=4, device_seconds=1.0
        ),
    )
    return Drawn(order, job, picture)
