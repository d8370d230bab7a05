"""A real diffusers folder through everything: jobs share forwards, and a deterministic one is bit-identical."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.zoo import case
from tests.e2e.deployment import Deployment

STEPS = {"flux": 4, "sdxl": 3, "qwen-image": 2}
SLOW = ("sdxl", "qwen-image")


def small(folder: Path, name: str) -> tuple[Any, str]:
    """A tiny pipeline with random weights as `save_pretrained` writes it."""
    pipeline = case(name).build()
    pipeline.save_pretrained(folder / name)
    return pipeline, str(folder / name)


def picture(deployment: Deployment, key: str) -> Image.Image:
    return Image.open(io.BytesIO(deployment.objects.get(key)))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in STEPS]
)
def test_eight_jobs_share_forwards_and_a_deterministic_one_is_exact(
    deployment: Deployment, tmp_path: Path, name: str
) -> None:
    torch = pytest.importorskip("torch")
    pipeline, source = small(tmp_path, name)
    deployment.start_worker(source)
    parameters = {"width": 32, "height": 32}
    jobs = [
        deployment.submit(f"a red fox {n}", STEPS[name] + n % 3, seed=n, parameters=parameters) for n in range(8)
    ]
    exact = deployment.submit("a red fox", 3, seed=11, deterministic=True, parameters=parameters)
    *shared, alone = deployment.finished(*jobs, exact)
    for job in (*shared, alone):
        deployment.check(job)
    sharing = [job.sharing for job in shared if job.sharing is not None]
    assert sum(one.forwards for one in sharing) < sum(one.calls for one in sharing)
    assert max(one.max_batch for one in sharing) > 1

    assert alone.sharing is not None
    assert alone.sharing.max_batch == 1
    expected = pipeline(
        "a red fox", num_inference_steps=3, generator=torch.Generator("cpu").manual_seed(11), **parameters
    ).images[0]
    found = picture(deployment, alone.artifacts[0].key)
    assert np.array_equal(np.asarray(found), np.asarray(expected))
    assert found.info["omni_jobs"]
