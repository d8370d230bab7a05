"""What operators ask of the API: the pool's state, its intake, workers, keys. And who may not."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from omni_jobs.api.pool import PARTS, past_of
from omni_jobs.schemas import EventType
from omni_jobs.schemas.access import Scope
from omni_jobs.store.operating import Ended
from tests.api.conftest import Served, job_body, live_worker
from tests.servers.processes import api


@pytest.fixture
def own(served: Served, tmp_path: Path) -> Iterator[Served]:
    """A service of its own, since the whole pool is steered here."""
    settings = served.environment | {"key_prefix": f"t{secrets.token_hex(6)}", "require_keys": True}
    with api(tmp_path, **settings) as url:
        from omni_jobs.settings import Settings
        from omni_jobs.store import connect
        from tests.api.conftest import card

        store = connect(Settings.model_validate(settings))
        store.publish_card(card())
        yield Served(url, store, served.objects, settings)
        store.close()


def client(own: Served, *scopes: Scope, account: str = "ann") -> httpx.Client:
    text = own.store.issue_key(account, scopes=scopes)[1]
    return httpx.Client(base_url=own.url, headers={"authorization": f"Bearer {text}"}, timeout=30)


def test_the_pool_tells_depths_and_how_jobs_ended(own: Served) -> None:
    own.store.beat_worker(live_worker(), 60)
    with client(own, Scope.READ, Scope.SUBMIT) as ann:
        first, _ = (ann.post("/v1/jobs", json=job_body()).json()["id"] for _ in range(2))
        own.succeed(own.claim(first), b"pixels")
        told = ann.get("/v1/pool").json()
        assert (told["queued"], told["running"], told["workers"], told["slots"]) == (1, 0, 1, 2)
        assert told["jobs"]["succeeded"] == 1
        assert told["past"]["ended"] == {"succeeded": 1}
        (model,) = told["models"]
        assert (model["ready"], model["workers"]) == (1, {"ready": 1})
    with client(own, Scope.READ, account="bob") as bob:
        assert bob.get("/v1/pool").json()["past"]["ended"] == {}


def test_intake_is_an_operators_switch(own: Served) -> None:
    with client(own, Scope.SUBMIT) as ann, client(own, Scope.ADMIN, account="ops") as ops:
        body = job_body(idempotency_key="same")
        job = ann.post("/v1/jobs", json=body).json()["id"]
        assert ann.put("/v1/pool/intake", json={"paused": True}).status_code == 403
        assert ops.put("/v1/pool/intake", json={"paused": True}).json() == {"paused": True}
        refused = ann.post("/v1/jobs", json=job_body())
        assert (refused.status_code, refused.json()["error_type"]) == (503, "intake_paused")
        assert refused.headers["x-should-retry"] == "true"
        # What was taken is answered as before.
        assert ann.post("/v1/jobs", json=body).json()["id"] == job
        ops.put("/v1/pool/intake", json={"paused": False})
        assert ann.post("/v1/jobs", json=job_body()).status_code == 201


def test_workers_are_an_operators_matter(own: Served) -> None:
    own.store.beat_worker(live_worker(), 60)
    with client(own, Scope.READ, Scope.SUBMIT) as ann, client(own, Scope.ADMIN) as ops:
        assert ann.get("/v1/workers").status_code == 403
        assert [one["id"] for one in ops.get("/v1/workers").json()["workers"]] == ["tester"]
        assert ops.post("/v1/workers/tester", json={"action": "drain"}).status_code == 202
        assert own.store.is_asked_to_drain("tester")
        ops.post("/v1/workers/tester", json={"action": "unload", "model": "paper"})
        assert own.store.take_changes("tester") == [("unload", "paper")]
        assert ops.post("/v1/workers/nobody", json={"action": "drain"}).status_code == 404
        wrong = ops.post("/v1/workers/tester", json={"action": "load", "model": "papre"})
        assert (wrong.status_code, "Did you mean `paper`?" in wrong.text) == (400, True)


def test_an_operator_makes_and_revokes_keys(own: Served) -> None:
    with client(own, Scope.READ, Scope.SUBMIT) as ann, client(own, Scope.ADMIN) as ops:
        assert ann.get("/v1/keys").status_code == 403
        made = ops.post("/v1/keys", json={"account": "shop", "name": "till", "scopes": ["read"]}).json()
        listed = ops.get("/v1/keys")
        assert made["key"]["id"] in listed.text
        assert made["text"] not in listed.text
        headers = {"authorization": f"Bearer {made['text']}"}
        session = httpx.get(f"{own.url}/v1/session", headers=headers).json()
        assert (session["account"], session["scopes"], session["asks_for_keys"]) == ("shop", ["read"], True)
        ops.post(f"/v1/keys/{made['key']['id']}/revoke")
        assert httpx.get(f"{own.url}/v1/session", headers=headers).status_code == 401


def test_the_past_is_told_in_equal_parts() -> None:
    now = datetime.now(UTC)
    since = now - timedelta(seconds=PARTS)
    ended = [
        Ended(since + timedelta(seconds=0.5), EventType.SUCCEEDED, None),
        Ended(now, EventType.FAILED, "out_of_memory"),
    ]
    past = past_of(ended, since, now)
    assert past.parts[0] == {"succeeded": 1}
    assert past.parts[-1] == {"failed": 1}
    assert past.errors == {"out_of_memory": 1}


def test_the_dashboards_files_are_open_and_run_nothing_else(own: Served) -> None:
    page = httpx.get(f"{own.url}/", follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/dashboard/")
    rules = page.headers["content-security-policy"]
    assert "default-src 'none'" in rules
    assert "unsafe" not in rules
    script = httpx.get(f"{own.url}/dashboard/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    again = httpx.get(f"{own.url}/dashboard/app.js", headers={"if-none-match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert script.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:href|src)="([\w./-]+)"', page.text)
    for path in named:
        file = httpx.get(f"{own.url}/dashboard/{path}")
        assert (file.status_code, file.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert named
    old = httpx.get(f"{own.url}/dashboard/v-000000000000/app.js")
    assert (old.content, old.headers["cache-control"]) == (script.content, "no-cache")
    for path in ("nothing.js", "../files.py", "%2e%2e/files.py"):
        assert httpx.get(f"{own.url}/dashboard/{path}").status_code in {401, 404}
