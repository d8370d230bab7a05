"""Jobs with LoRA adapters through everything: named in the catalogue, loaded by the worker, kept apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.zoo import case
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import Job
from tests.e2e.deployment import Deployment
from tests.stepping.lora_files import TARGETS, asked, lora_file, with_adapters

SIZE = {"width": 32, "height": 32}


def drawn(deployment: Deployment, job: Job) -> Any:
    with Image.open(io.BytesIO(deployment.objects.get(job.artifacts[0].key))) as picture:
        return np.asarray(picture).astype(int)


def test_jobs_with_different_adapters_run_beside_each_other(deployment: Deployment, tmp_path: Path) -> None:
    pipeline = case("flux").build()
    pipeline.save_pretrained(tmp_path / "flux")
    loras = tmp_path / "loras"
    one, two = (lora_file(loras, pipeline, TARGETS["flux"], seed) for seed in (1, 2))
    config = tmp_path / "omni.toml"
    config.write_text(f'[models.sim]\nlora_folder = "{loras}"\n')
    deployment.start_worker(str(tmp_path / "flux"), config=config)

    def asked_for(*names: tuple[str, float]) -> dict[str, Any]:
        return SIZE | ({"loras": [{"name": name, "scale": scale} for name, scale in names]} if names else {})

    wanted: list[tuple[tuple[str, float], ...]] = [(), (("adapter-1", 1.0),), (("adapter-2", 0.5),)]
    jobs = [deployment.submit(steps=4, seed=n, parameters=asked_for(*wanted[n % 3])) for n in range(6)]
    both = (("adapter-2", 0.8), ("adapter-1", -0.4))
    exact = deployment.submit(steps=3, seed=9, deterministic=True, parameters=asked_for(*both))
    *shared, alone = deployment.finished(*jobs, exact)
    plain = [
        pipeline,
        with_adapters(pipeline, asked(one)),
        with_adapters(pipeline, asked(two, 0.5)),
        with_adapters(pipeline, asked(two, 0.8), asked(one, -0.4)),
    ]

    def expected(index: int, seed: int, steps: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        arguments = {"num_inference_steps": steps, "generator": generator, **SIZE}
        return np.asarray(plain[index]("a fox", **arguments).images[0]).astype(int)

    deployment.check(alone)
    assert np.array_equal(drawn(deployment, alone), expected(3, 9, 3))
    for seed, job in enumerate(shared):
        deployment.check(job)
        assert np.abs(drawn(deployment, job) - expected(seed % 3, seed, 4)).max() <= 1
        assert job.sharing is not None
        assert job.sharing.max_batch <= 2

    with pytest.raises(InvalidRequest, match="not one of"):
        deployment.submit(parameters=asked_for(("adapter-3", 1.0)))
    lora_file(loras, pipeline, TARGETS["flux"], 3)
    offered = ("parameters_schema", "properties", "loras", "items", "properties", "name", "enum")

    def is_offered() -> bool:
        found: Any = deployment.store.card("sim").model_dump()
        for key in offered:
            found = found[key]
        return "adapter-3" in found

    deployment.until(is_offered)
    (new,) = deployment.finished(deployment.submit(parameters=asked_for(("adapter-3", 1.0))))
    deployment.check(new)
