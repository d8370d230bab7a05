"""Jobs drawn by vLLM-Omni's engine (a stand-in with its interface): queue, storage and cancellation are ours."""

from __future__ import annotations

from pathlib import Path

from omni_jobs import queue
from omni_jobs.schemas import Status
from tests.e2e.deployment import Deployment

STANDIN = Path(__file__).parents[1] / "executors" / "standin"


def test_jobs_are_drawn_stored_and_called_off(deployment: Deployment, tmp_path: Path) -> None:
    deployment.environment["PYTHONPATH"] = f"{STANDIN}:{deployment.environment.get('PYTHONPATH', '')}"
    config = tmp_path / "omni.toml"
    config.write_text('[models.sim]\nsource = "somebody/model"\nexecutor = "vllm-omni"\n')
    deployment.start_worker("somebody/model", config=config)
    endless = deployment.submit("endless", parameters={"width": 32, "height": 32})
    jobs = [deployment.submit("a fox", seed=seed, num_outputs=2) for seed in (1, 2)]
    for job in deployment.finished(*jobs):
        deployment.check(job)
        assert [artifact.seed for artifact in job.artifacts] == [job.seed, job.seed + 1]
    queue.cancel(deployment.store, endless.account, endless.id)
    (failed,) = deployment.finished(deployment.submit("broken"))
    assert failed.error is not None
    assert "the stage failed" in failed.error.message
    assert deployment.job(endless).status is Status.CANCELED
