"""Issued keys over HTTP: the header forms of four clients, scopes, accounts apart, revocation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from omni_jobs.api.app import FACES, NATIVE
from omni_jobs.api.faces.stream_links import STREAMS_PATH
from omni_jobs.cli import main
from omni_jobs.client import Client
from omni_jobs.errors import Unauthorized
from omni_jobs.schemas.access import Scope
from tests.api.conftest import Served, job_body, picture
from tests.servers.processes import api


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed") / "api.log"


@pytest.fixture(scope="module")
def keyed(served: Served, log: Path) -> Iterator[str]:
    """The service, which asks for a key."""
    with api(log.parent, **served.environment, require_keys=True) as url:
        yield url


def with_key(url: str, key: str, scheme: str = "Bearer") -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": f"{scheme} {key}"}, timeout=30)


def new_key(served: Served, account: str, *scopes: Scope) -> str:
    return served.store.issue_key(account, scopes=scopes)[1]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "Key"])
def test_a_key_is_taken_as_every_client_sends_it(served: Served, keyed: str, scheme: str) -> None:
    key = new_key(served, "ann")
    with with_key(keyed, key, scheme) as http:
        assert http.get("/v1/jobs").status_code == 200


def test_wrong_keys_are_refused_whatever_is_asked(served: Served, keyed: str) -> None:
    key = new_key(served, "ann")
    for wrong in (key[:-1], key[:-1] + ("0" if key[-1] != "0" else "1"), key.replace("omni_", "omni-"), "x"):
        for path in ("/v1/jobs", "/v1/models", "/nowhere"):
            with with_key(keyed, wrong) as http:
                answer = http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx.get(f"{keyed}/v1/jobs").status_code == 401
    assert httpx.get(f"{keyed}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs"),
        ("POST", "/v1/images/generations"),
        ("GET", "/v1/batches"),
        ("POST", "/v1/predictions"),
        ("POST", "/fal/queue/omni/paper"),
        ("POST", "/fal/run/omni/paper"),
    ],
)
def test_an_expired_key_is_refused_by_every_face(served: Served, keyed: str, method: str, path: str) -> None:
    key, text = served.store.issue_key("ann", lifetime=timedelta(milliseconds=1))
    with with_key(keyed, text) as http:
        answer = http.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert f"The key {key.id} expired at " in answer.json()["detail"]


def test_a_lifetime_is_given_and_shown_over_http(served: Served, keyed: str) -> None:
    with with_key(keyed, new_key(served, "ops", Scope.ADMIN)) as http:
        made = http.post("/v1/keys", json={"account": "eve", "lifetime_seconds": 3600}).json()["key"]
        lived = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
        assert lived == timedelta(hours=1)
        assert made in http.get("/v1/keys").json()["keys"]
        assert http.post("/v1/keys", json={"account": "eve", "lifetime_seconds": 0}).status_code == 400


def test_accounts_do_not_see_each_other(served: Served, keyed: str) -> None:
    with with_key(keyed, new_key(served, "ann")) as ann, with_key(keyed, new_key(served, "bob")) as bob:
        job = ann.post("/v1/jobs", json=job_body(), headers={"idempotency-key": "same"}).json()
        upload = ann.post("/v1/uploads", content=picture(), headers={"content-type": "image/png"}).json()["id"]
        assert job["account"] == "ann"
        done = served.succeed(served.claim(job["id"]), b"pixels")
        artifact = done.artifacts[0].id
        for path in (
            f"/v1/jobs/{job['id']}",
            f"/v1/jobs/{job['id']}/events",
            f"/v1/jobs/{job['id']}/history",
            f"/v1/uploads/{upload}",
            f"/v1/artifacts/{artifact}",
        ):
            assert bob.get(path).status_code == 404, path
            assert ann.get(path).status_code in {200, 307}, path
        for path in ("cancel", "retry"):
            assert bob.post(f"/v1/jobs/{job['id']}/{path}").status_code == 404
        assert bob.delete(f"/v1/jobs/{job['id']}").status_code == 404
        for stolen in (upload, artifact):
            answer = bob.post("/v1/jobs", json=job_body(task="edit", images=[stolen]))
            assert answer.json()["error"]["param"] == "images.0"
        assert bob.get("/v1/jobs").json()["jobs"] == []
        other = bob.post("/v1/jobs", json=job_body(), headers={"idempotency-key": "same"})
        assert (other.status_code, other.json()["account"]) == (201, "bob")


#: What a route's parameter may name that belongs to no account (workers and keys are the administrator's), or that
#: no request here makes (dead deliveries).
SHARED = frozenset({"app", "name", "owner", "version", "key", "worker_id", "key_id"})


def owned_routes() -> list[tuple[str, str]]:
    """Methods and paths of every face that name something of an account. Links and new names need no look."""
    found = []
    for face in (*FACES, *NATIVE):
        for route in face.router.routes:
            names = set(re.findall(r"{(\w+)", route.path))
            is_new = "PUT" in route.methods and "prediction_id" in names
            if names - SHARED and not route.path.startswith(STREAMS_PATH) and not is_new:
                found += [(method, route.path) for method in sorted(route.methods - {"HEAD"})]
    return found


@pytest.fixture(scope="module")
def of_ann(served: Served, keyed: str) -> dict[str, str]:
    """One of everything that an account may have."""
    with with_key(keyed, new_key(served, "ann")) as ann:
        job = ann.post("/v1/jobs", json=job_body()).json()["id"]
        artifact = served.succeed(served.claim(job), picture()).artifacts[0].id
        form = {"file": ("a.png", picture(), "image/png")}
        prediction = {"version": "paper", "input": {"prompt": "a fox"}}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/images/generations"}
        lines = json.dumps(line | {"body": {"model": "paper", "prompt": "a fox"}}).encode()
        manifest = ann.post("/v1/files", files={"file": ("a.jsonl", lines)}, data={"purpose": "batch"}).json()[
            "id"
        ]
        batch = {"input_file_id": manifest, "endpoint": line["url"], "completion_window": "24h"}
        endpoint = ann.post("/v1/webhooks", json={"url": "https://a.example/hook"}).json()["id"]
        return {
            "batch_id": ann.post("/v1/batches", json=batch).json()["id"],
            "job_id": job,
            "artifact_id": artifact,
            "upload_id": ann.post("/v1/uploads", files=form).json()["id"],
            "file_id": ann.post("/v1/files", files=form, data={"purpose": "vision"}).json()["id"],
            "prediction_id": ann.post("/v1/predictions", json=prediction).json()["id"],
            "endpoint_id": endpoint,
            "delivery_id": ann.post(f"/v1/webhooks/{endpoint}/test").json()["id"],
            "app": "paper",
        }


@pytest.mark.parametrize(("method", "path"), owned_routes())
def test_no_face_shows_or_changes_what_is_anothers(
    served: Served, keyed: str, of_ann: dict[str, str], method: str, path: str
) -> None:
    place = re.sub(r"{(\w+)[^}]*}", lambda match: of_ann[match[1]], path)
    with with_key(keyed, new_key(served, "bob")) as bob, with_key(keyed, new_key(served, "ann")) as ann:
        answer = bob.request(method, place, json={} if method == "PATCH" else None)
        assert answer.status_code == 404, answer.text
        if method == "GET" and not path.endswith(("/events", "/stream")):
            assert ann.get(place).status_code in {200, 202, 307}


def test_a_key_may_do_no_more_than_its_scopes(served: Served, keyed: str) -> None:
    with with_key(keyed, new_key(served, "eve", Scope.READ)) as reader:
        assert reader.get("/v1/jobs").status_code == 200
        answer = reader.post("/v1/jobs", json=job_body())
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "`submit`" in answer.json()["detail"]
    with with_key(keyed, new_key(served, "eve", Scope.SUBMIT)) as writer:
        made = writer.post("/v1/jobs", json=job_body())
        assert made.status_code == 201
        assert writer.get(f"/v1/jobs/{made.json()['id']}").status_code == 403
        assert writer.post(f"/v1/jobs/{made.json()['id']}/cancel").status_code == 200


def test_the_pools_metrics_have_a_scope_of_their_own(served: Served, keyed: str) -> None:
    with with_key(keyed, new_key(served, "eve", Scope.READ, Scope.SUBMIT)) as tenant:
        assert tenant.get("/metrics").status_code == 403
    with with_key(keyed, new_key(served, "ops", Scope.METRICS)) as prometheus:
        assert prometheus.get("/metrics").status_code == 200
        assert prometheus.get("/v1/jobs").status_code == 403


def test_a_revoked_key_is_refused_at_once_and_only_ids_are_logged(served: Served, keyed: str, log: Path) -> None:
    key, text = served.store.issue_key("ann", name="laptop")
    with with_key(keyed, text) as http:
        assert http.get("/v1/jobs").status_code == 200
        served.store.revoke_key(key.id)
        answer = http.get("/v1/jobs")
    assert (answer.status_code, key.id in answer.text, text in answer.text) == (401, True, False)
    assert key.id in log.read_text()
    assert text not in log.read_text()


def test_without_required_keys_an_issued_one_still_says_whose_job_it_is(served: Served) -> None:
    with with_key(served.url, new_key(served, "ann")) as http:
        assert http.post("/v1/jobs", json=job_body()).json()["account"] == "ann"
        assert http.get("/v1/jobs", headers={"authorization": "Bearer anything"}).status_code == 200
        broken = {"authorization": f"Bearer omni_{12 * '0'}_{40 * '0'}"}
        assert http.get("/v1/jobs", headers=broken).status_code == 401


def test_the_client_takes_a_key(served: Served, keyed: str) -> None:
    with Client(keyed, api_key=new_key(served, "kim")) as client:
        job = client.submit(model="paper", prompt="a fox")
        assert client.get(job.id).account == "kim"
    with Client(keyed) as stranger, pytest.raises(Unauthorized):
        stranger.get(job.id)


def test_the_command_line_takes_a_key(served: Served, keyed: str, tmp_path: Path) -> None:
    with with_key(keyed, new_key(served, "lee")) as http:
        job = http.post("/v1/jobs", json=job_body()).json()["id"]
    environment = {"OMNI_DATA_DIR": str(tmp_path)}
    ask = ["list", "--url", keyed, "--json"]

    def run(arguments: list[str], **given: str) -> tuple[int, bool]:
        result = CliRunner().invoke(main, arguments, env=environment | given)
        return result.exit_code, job in result.output

    assert run([*ask, "--api-key", new_key(served, "lee")]) == (0, True)
    assert run(ask, OMNI_API_KEY=new_key(served, "lee")) == (0, True)
    assert run(ask, OMNI_API_KEY=new_key(served, "max")) == (0, False)
    assert run(ask) == (77, False)
