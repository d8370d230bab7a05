"""One worker, two real models, room for one: jobs bring back what is away, and an operator may move models too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.zoo import case
from tests.e2e.deployment import Deployment
from workers.footprint import weight_bytes

SMALL = {"width": 32, "height": 32}


def change(deployment: Deployment, *arguments: str) -> dict[str, str]:
    """`omni-jobs workers models ...`: the states of the worker's models afterwards."""
    command = [sys.executable, "-m", "omni_jobs.cli", "workers", "models", *arguments, "--json"]
    done = subprocess.run(command, env=deployment.environment, capture_output=True, text=True, check=True)
    states: dict[str, str] = json.loads(done.stdout)["models"]
    return states


@pytest.mark.slow
def test_two_models_take_turns_in_one_worker(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("tests.e2e.deployment.WAIT_SECONDS", 240.0)  # it loads models seven times
    pipeline = case("flux").build()
    for name in ("first", "second"):
        pipeline.save_pretrained(tmp_path / name)
    config = tmp_path / "omni.toml"
    config.write_text(f'[models.first]\nsource = "{tmp_path / "first"}"\n')
    budget = int(1.5 * weight_bytes(pipeline))
    worker = deployment.start_worker(
        str(tmp_path / "second"), wait=False, config=config, memory_budget_bytes=budget
    )
    deployment.until(lambda: (info := deployment.worker(worker)) and info.models["sim"] == "ready")
    info = deployment.worker(worker)
    assert info is not None
    assert info.models == {"first": "unloaded", "sim": "ready"}, "on a CPU sleeping would free nothing"

    jobs = [deployment.submit("a fox", 2, model=model, seed=5, parameters=SMALL) for model in ("first", "sim") * 2]
    finished = deployment.finished(*jobs)
    for job in finished:
        assert job.error is None, job.error
        deployment.check(job)
    pictures = {deployment.objects.get(job.artifacts[0].key)[-2000:] for job in finished[::2]}
    assert len(pictures) == 1, "the same picture before and after the model was away"

    assert change(deployment, worker, "load", "first") == {"first": "ready", "sim": "unloaded"}
    assert change(deployment, worker, "sleep", "first")["first"] == "asleep"
    assert change(deployment, worker, "wake", "first")["first"] == "ready"
    assert change(deployment, worker, "unload", "first") == {"first": "unloaded", "sim": "unloaded"}
    (again,) = deployment.finished(deployment.submit("a fox", 2, model="first", parameters=SMALL))
    deployment.check(again)
