"""A preview all the way: from a request's scheduler in the engine process to the store, for jobs that ask."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from omni_jobs import queue
from tests.e2e.deployment import Deployment


def test_a_running_job_shows_itself_if_it_asks(deployment: Deployment, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from benchmarks.zoo import case

    case("flux").build().save_pretrained(tmp_path / "model")
    deployment.start_worker(str(tmp_path / "model"))
    parameters = {"width": 384, "height": 256}
    shown = deployment.submit(steps=200, preview=True, parameters=parameters)
    silent = deployment.submit(steps=200, parameters=parameters)
    deployment.until(lambda: deployment.store.preview(shown.account, shown.id))
    picture = deployment.store.preview(shown.account, shown.id)
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert image.width > image.height
        assert image.width < 384
    deployment.is_denoising(silent)
    assert deployment.store.preview(silent.account, silent.id) is None
    for job in (shown, silent):
        queue.cancel(deployment.store, job.account, job.id)
    deployment.finished(shown, silent)
