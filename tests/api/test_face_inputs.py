"""Whatever stands in a field of a face, the answer says what is wrong with it: it is never our mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from omni_jobs.api.app import create_app
from omni_jobs.api.faces.fields import NATIVE, Table
from omni_jobs.api.fal import inputs as fal
from omni_jobs.api.replicate import inputs as replicate
from omni_jobs.redis_server import RedisServer
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.api.conftest import card

VALUES: tuple[Any, ...] = (-0.5, 10**30, "", [5], {"a": 1}, "http://[::1", "9999-12-31T23:59:59-14:00", "\x00")


@pytest.fixture(scope="module")
def door(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("inputs")
    settings = Settings(
        redis_url=redis_server.url, key_prefix="inputs", storage_url=str(folder / "objects"), data_dir=folder
    )
    store = connect(settings)
    store.publish_card(card())
    store.close()
    with TestClient(create_app(settings), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def mistakes(door: TestClient, path: str, table: Table, body: dict[str, Any], inside: str = "") -> list[str]:
    """The fields, with the value, that are answered as a mistake of ours."""
    found = []
    for name in (*table.fields, *NATIVE):
        for value in VALUES:
            sent = body | ({inside: body[inside] | {name: value}} if inside else {name: value})
            if door.post(path, json=sent).status_code >= 500:
                found.append(f"{name}: {json.dumps(value)}")
    return found


def test_replicate(door: TestClient) -> None:
    body = {"version": "paper", "input": {"prompt": "a fox"}}
    assert mistakes(door, "/v1/predictions", replicate.PREDICTION, body) == []
    assert mistakes(door, "/v1/predictions", replicate.INPUT, body, "input") == []


def test_fal(door: TestClient) -> None:
    assert mistakes(door, "/fal/queue/omni/paper", fal.INPUT, {"prompt": "a fox"}) == []


def test_a_prediction_may_not_take_the_id_of_a_job(door: TestClient) -> None:
    """Ids of jobs are ours: what is told of a job goes by its id alone."""
    body = {"version": "paper", "input": {"prompt": "a fox"}}
    answer = door.put("/v1/predictions/job_01a2", json=body)
    assert answer.status_code == 400
    assert "cannot be an id of yours" in answer.json()["detail"]
    assert door.put("/v1/predictions/order-1", json=body).json()["id"] == "order-1"


def test_a_malformed_origin_is_a_strangers(door: TestClient) -> None:
    assert door.post("/v1/jobs", json={}, headers={"origin": "http://[::1"}).status_code == 403
