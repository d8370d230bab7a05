"""A job costs less than 4 KB in Redis, waiting or finished, on every server."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.store_bytes import finish_one_to_load_scripts, measure
from omni_jobs.redis_server import start_server
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.servers.redis_binaries import Binary, binaries

LIMIT_BYTES = 4096


@pytest.mark.parametrize("binary", binaries(), ids=lambda binary: binary.name)
def test_bytes_per_job(tmp_path: Path, binary: Binary) -> None:
    with start_server(tmp_path, binary=binary.path, fsync="no") as server:
        store = connect(Settings(redis_url=server.url))
        finish_one_to_load_scripts(store)
        figures = measure(store, 500)
        store.close()
    assert figures["queued_bytes_per_job"] < LIMIT_BYTES
    assert figures["finished_bytes_per_job"] < LIMIT_BYTES
