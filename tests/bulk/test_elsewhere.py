"""Bulk runs into a bucket, taken up by another machine, and through the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs.bulk.bucket import Bucket
from omni_jobs.settings import Settings
from tests.bulk.conftest import Bulk, finished, foxes, manifest, rows
from tests.e2e.deployment import Deployment
from tests.servers.moto import moto
from tests.servers.processes import api
from tests.servers.s3_server import S3Server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with moto() as server:
        server.make_bucket("pictures")
        yield server


@pytest.mark.slow
def test_a_run_into_a_bucket_goes_on_from_another_machine(
    service: Deployment, bulk: Bulk, s3: S3Server, tmp_path: Path
) -> None:
    out = f"s3://pictures/run?endpoint={s3.endpoint}&path_style=1"
    keys = {"OMNI_STORAGE_ACCESS_KEY": s3.access_key_id, "OMNI_STORAGE_SECRET_KEY": s3.secret_access_key}
    here, there = (keys | {"OMNI_DATA_DIR": str(tmp_path / name)} for name in ("here", "there"))
    lines = foxes(30, negative_prompt="bucket")
    path = manifest(tmp_path, *lines[:20])
    assert finished(bulk("run", path, "--out", out, **here))["succeeded"] == 20
    bucket = Bucket(out, Settings(storage_access_key=s3.access_key_id, storage_secret_key=s3.secret_access_key))
    written = dict(bucket.list("sim/"))
    assert len(written) == 20
    bucket.delete(next(iter(written)))
    told = finished(bulk("run", manifest(tmp_path, *lines), "--out", out, **there))
    assert (told["succeeded"], told["before"], told["outputs"]) == (30, 19, 11)
    assert dict(bucket.list("sim/")).keys() > written.keys()
    assert finished(bulk("status", out, "--json", **here))["succeeded"] == 30
    report = finished(bulk("report", out, "--json", **here))
    assert report["report"] == "s3://pictures/run/report.html"
    assert b"30" in bucket.read("report.html")
    bucket.close()


def test_through_the_api_it_is_the_same(service: Deployment, bulk: Bulk, tmp_path: Path) -> None:
    path = manifest(tmp_path, *foxes(80, negative_prompt="http"), {"prompt": "fail"}, "{")
    own = {name: value for name, value in service.environment.items() if name.startswith("OMNI_")}
    settings = {name.removeprefix("OMNI_").lower(): value for name, value in own.items()}
    out = tmp_path / "out"
    with api(tmp_path, **settings) as address:
        told = finished(bulk("run", path, "--out", out, "--url", address), status=4)
    assert (told["succeeded"], told["failed"], told["invalid"]) == (80, 1, 1)
    for row in rows(out):
        for output in row.get("outputs", []):
            assert (out / output["key"]).stat().st_size == output["size_bytes"]
