"""What a worker stores is signed if its operator has a certificate; without a valid one it does not start."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from tests.workers.certificates import write_identity

c2pa = pytest.importorskip("c2pa")


def test_stored_outputs_are_signed(deployment: Deployment, tmp_path: Path) -> None:
    files = write_identity(tmp_path)
    deployment.start_worker(c2pa_certificate=files.certificate, wait=False)
    assert deployment.workers[0].wait(60) != 0
    assert "OMNI_C2PA_KEY is not set" in deployment.log("worker-0")

    deployment.start_worker(c2pa_certificate=files.certificate, c2pa_key=files.key)
    (job,) = deployment.finished(deployment.submit(num_outputs=2, output={"format": "jpeg"}))
    deployment.check(job)
    context = c2pa.Context.from_dict({"trust": {"trust_anchors": files.authority}})
    assert len(job.artifacts) == 2
    for artifact in job.artifacts:
        stored = io.BytesIO(deployment.objects.get(artifact.key))
        with c2pa.Reader(artifact.content_type, stored, context=context) as reader:
            assert reader.get_validation_state() == "Trusted"
