"""What a worker stores is signed if its operator has a certificate; without a valid one it does not start."""

from __future__ import annotations

from pathlib import Path

from omni_jobs.schemas import Job
from tests.e2e.deployment import Deployment
from tests.workers.certificates import Files, validated, write_identity
from tests.workers.timestamps import timestamps


def test_stored_outputs_are_signed(deployment: Deployment, tmp_path: Path) -> None:
    files = write_identity(tmp_path)
    deployment.start_worker(c2pa_certificate=files.certificate, wait=False)
    assert deployment.workers[0].wait(60) != 0
    assert "OMNI_C2PA_KEY is not set" in deployment.log("worker-0")

    deployment.start_worker(c2pa_certificate=files.certificate, c2pa_key=files.key)
    (job,) = deployment.finished(deployment.submit(num_outputs=2, output={"format": "jpeg"}))
    deployment.check(job)
    assert states(deployment, job, files) == ["Trusted"] * 2


def test_nothing_is_stored_unsigned(deployment: Deployment, tmp_path: Path) -> None:
    """The timestamp service is away for a while: outputs wait, and cost no attempt."""
    files = write_identity(tmp_path)
    with timestamps(tmp_path / "timestamps") as service:
        name = deployment.start_worker(
            c2pa_certificate=files.certificate, c2pa_key=files.key, c2pa_timestamp_url=service.url
        )
        service.is_away = True
        sent = deployment.submit()
        deployment.until(lambda: "trying again" in deployment.log(name))
        assert not deployment.job(sent).is_finished
        service.is_away = False
        (job,) = deployment.finished(sent)
    deployment.check(job)
    assert (job.attempt, states(deployment, job, files)) == (1, ["Trusted"])


def states(deployment: Deployment, job: Job, files: Files) -> list[str]:
    """What C2PA's reader says of a job's outputs."""
    stored = ((one.content_type, deployment.objects.get(one.key)) for one in job.artifacts)
    return [validated(content_type, content, files) for content_type, content in stored]
