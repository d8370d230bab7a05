"""Web pages: a stranger's can change nothing, those that the operator names can do what their key allows."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from omni_jobs.api.origins import parse_origins
from omni_jobs.errors import Misconfigured
from omni_jobs.settings import Settings
from tests.api.conftest import Served, job_body
from tests.servers.processes import api

SHOP = "https://shop.example"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_a_strangers_page_queues_and_cancels_nothing(served: Served, http: httpx.Client, origin: str) -> None:
    job = http.post("/v1/jobs", json=job_body()).json()
    before = served.store.counts("default")
    for path, body in ((f"/v1/jobs/{job['id']}/cancel", None), ("/v1/jobs", job_body())):
        answer = http.post(path, json=body, headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in answer.headers
    assert served.store.counts("default") == before


def test_our_own_pages_and_programs_work(served: Served, http: httpx.Client) -> None:
    assert http.post("/v1/jobs", json=job_body(), headers={"origin": served.url}).status_code == 201
    assert http.get("/v1/jobs", headers={"origin": "https://evil.example"}).status_code == 200


def test_named_origins_are_told_to_browsers(served: Served, tmp_path: Path) -> None:
    with api(tmp_path, **served.environment, cors_origins=SHOP) as url, httpx.Client(base_url=url) as http:
        asks = {"origin": SHOP, "access-control-request-method": "POST"}
        asks["access-control-request-headers"] = "authorization,idempotency-key"
        told = http.options("/v1/jobs", headers=asks)
        assert (told.status_code, told.headers["access-control-allow-origin"]) == (200, SHOP)
        assert "idempotency-key" in told.headers["access-control-allow-headers"]
        made = http.post("/v1/jobs", json=job_body(), headers={"origin": SHOP})
        assert (made.status_code, made.headers["access-control-allow-origin"]) == (201, SHOP)
        assert "location" in made.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in made.headers
        other = http.options("/v1/jobs", headers=asks | {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_every_page_is_let_in_only_where_keys_are_asked_for() -> None:
    assert parse_origins(Settings(cors_origins="*", require_keys=True)) == {"*"}
    for wrong in ("*", "shop.example", "https://shop.example/x"):
        with pytest.raises(Misconfigured):
            parse_origins(Settings(cors_origins=wrong))
