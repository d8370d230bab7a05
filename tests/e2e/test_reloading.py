"""An operator edits omni.toml and has a live worker load the model anew (`omni-jobs workers models`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from omni_jobs.schemas import Status
from tests.e2e.deployment import Deployment


def reload(deployment: Deployment, worker: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omni_jobs.cli", "workers", "models", worker, "reload", "other"]
    return subprocess.run(command, env=deployment.environment, capture_output=True, text=True)


def test_a_model_is_reloaded_as_its_file_says_by_now(deployment: Deployment, tmp_path: Path) -> None:
    config = tmp_path / "omni.toml"
    config.write_text('[models.other]\nsource = "simulated?launch_ms=1&fail_on=wolf"\n')
    worker = deployment.start_worker(config=config)
    deployment.until(lambda: (info := deployment.worker(worker)) and info.models["other"] == "ready")
    process = deployment.engine_process(worker)
    (job,) = deployment.finished(deployment.submit("a wolf", model="other"))
    assert job.status is Status.FAILED

    config.write_text('[models.other]\nsource = "simulated?launch_ms=1"\n')
    done = reload(deployment, worker)
    assert (done.returncode, done.stdout) == (0, "other  ready\nsim  ready\n"), done.stderr
    (job,) = deployment.finished(deployment.submit("a wolf", model="other"))
    deployment.check(job)

    config.write_text('[models.other]\nsourc = "simulated"\n')
    done = reload(deployment, worker)
    assert done.returncode != 0
    assert "`models.other.sourc` is not a setting of a model" in done.stderr
    (job,) = deployment.finished(deployment.submit("a wolf", model="other"))
    deployment.check(job)
    assert deployment.engine_process(worker) == process
