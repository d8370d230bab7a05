"""Storage goes away: nobody's attempt is spent, and what was rendered is stored afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs.schemas import Phase, Status
from tests.chaos.proxy import Loop, Mode, Proxy
from tests.e2e.deployment import Deployment, deployed
from tests.servers.moto import moto


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[tuple[Deployment, Proxy]]:
    """A deployment that reaches its bucket through a proxy."""
    with moto() as s3:
        s3.make_bucket("outputs")
        loop = Loop()
        proxy = Proxy(loop, "storage", ("127.0.0.1", int(s3.endpoint.rpartition(":")[2])))
        url = f"s3://outputs?endpoint=http://127.0.0.1:{proxy.port}&max_attempts=1"
        keys = {"storage_access_key": s3.access_key_id, "storage_secret_key": s3.secret_access_key}
        try:
            with deployed(tmp_path, storage_url=url, **keys) as deployment:
                yield deployment, proxy
        finally:
            proxy.close()
            loop.close()


def test_an_outage_of_storage_costs_no_attempt(outage: tuple[Deployment, Proxy]) -> None:
    deployment, proxy = outage
    name = deployment.start_worker(slots=4, reserved_slots=0)
    proxy.set(Mode.REFUSE)
    proxy.reset()
    jobs = [deployment.submit(f"fox {n}", 2) for n in range(6)]
    for job in jobs[:4]:
        deployment.reaches(job, lambda now: now.progress is not None and now.progress.phase is Phase.UPLOAD)
    deployment.until(lambda: deployment.log(name).count("object store: trying again") >= 8)
    deployment.until(lambda: (info := deployment.worker(name)) is not None and info.in_flight == 4)
    assert {deployment.job(job).status for job in jobs[4:]} == {Status.QUEUED}, (
        "an outage fills the slots, no more"
    )
    proxy.set(Mode.PASS)
    for ended in deployment.finished(*jobs):
        deployment.check(ended)
        assert ended.attempt == 1
