"""The OpenAPI document keeps its word: schemathesis sends what it allows and forbids, and finds nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Served, card
from tests.servers.processes import api

#: What a schema cannot say.
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def short_streams(served: Served, tmp_path: Path) -> Iterator[str]:
    """The same service with event streams that end after a moment, as nobody waits for their jobs."""
    # The shortest name that the generators make up: so that some of their jobs are accepted.
    served.store.publish_card(card("0"))
    with api(tmp_path, **(served.environment | {"stream_seconds": 0.2})) as url:
        yield url


def test_schemathesis_finds_nothing(short_streams: str, tmp_path: Path) -> None:
    command = [
        sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
        f"{short_streams}/openapi.json", "--checks", "all", "--mode", "all", "--max-examples", "2", "--seed", "1",
        "--request-timeout", "20", "--suppress-health-check", "all", "--generation-database", "none",
        "--generation-codec", "utf-8", "--no-color",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]


def test_the_document_names_every_face(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in ("/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events", "/v1/events", "/v1/uploads"):
        assert path in document["paths"]
    for path in document["paths"].values():
        for operation in path.values():
            assert operation.get("summary")
            assert operation.get("tags")
    assert "webhooks" in document
