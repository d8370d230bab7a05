"""Registered endpoints over HTTP with a real courier: the events they take, test events, the log, the replay."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from omni_jobs.api.app import create_app
from omni_jobs.settings import Settings
from omni_jobs.webhooks.endpoints import Endpoint, Endpoints
from tests.api.conftest import job_body
from tests.servers.scripted import Answer
from tests.webhooks.receiver import receiving
from tests.webhooks.test_courier import EVENTS, Office, office

__all__ = ["office"]


@pytest.fixture
def door(office: Office) -> Iterator[TestClient]:
    settings = Settings.model_validate(office.settings)
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        yield client


def test_an_endpoint_takes_only_its_events_from_the_next_one_on(office: Office, door: TestClient) -> None:
    with receiving() as receiver, office.courier(receiver):
        only = {"url": receiver.url, "events": ["job.succeeded"]}
        made = door.post("/v1/webhooks", json=only).json()
        assert made["events"] == ["job.succeeded"]
        receiver.secret = made["secret"]
        office.run_job(receiver)
        receiver.until(lambda: receiver.accepted)
        assert [kind for _, kind in receiver.events()] == ["job.succeeded"]
        assert "events" not in door.patch(f"/v1/webhooks/{made['id']}", json={}).json()
        office.run_job(receiver)
        receiver.until(lambda: len(receiver.accepted) == 1 + len(EVENTS))


def test_what_is_no_event_is_refused_at_the_door(door: TestClient) -> None:
    for events in (["job.done"], [], "job.queued"):
        answer = door.post("/v1/webhooks", json={"url": "https://a.example/", "events": events})
        assert answer.status_code == 400
        assert "events" in answer.json()["error"]["param"]
    assert door.get("/v1/webhooks").json() == {"endpoints": []}


def test_a_url_with_a_password_is_refused_by_its_field_and_not_repeated(door: TestClient) -> None:
    url = "https://ann:secret-pw@a.example/hook"
    registered = door.post("/v1/webhooks", json={"url": url})
    submitted = door.post("/v1/jobs", json=job_body(webhook={"url": url}))
    told = [answer.json()["error"] for answer in (registered, submitted)]
    assert [one["param"] for one in told] == ["url", "webhook.url"]
    assert all("user or password" in one["message"] for one in told)
    assert "secret-pw" not in registered.text + submitted.text


def test_a_url_that_is_registered_again_keeps_its_secret_and_no_list_shows_it(door: TestClient) -> None:
    made, again = (door.post("/v1/webhooks", json={"url": "https://a.example/hook"}).json() for _ in range(2))
    assert made["secret"].startswith("whsec_")
    assert again == made
    assert door.get("/v1/webhooks").json()["endpoints"] == [{key: made[key] for key in made if key != "secret"}]


def test_an_account_has_room_for_a_thousand(office: Office, door: TestClient) -> None:
    endpoints = Endpoints(office.store)
    made = endpoints.register("default", "https://a.example/")
    rows = {f"https://{number}.example/": made.model_dump_json() for number in range(999)}
    office.store.redis.hset(office.store.keys("endpoints", "default"), mapping=rows)
    refused = door.post("/v1/webhooks", json={"url": "https://b.example/"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    endpoints.disable("default", "https://c.example/", "it answered 410 Gone")
    assert endpoints.find("default", "https://c.example/") is None
    assert door.post("/v1/webhooks", json={"url": "https://a.example/"}).status_code == 201


def test_urls_that_nobody_registered_take_no_ones_room(office: Office, door: TestClient) -> None:
    """Each job may have a URL of its own that answers 410 ever after: the oldest of these is forgotten."""
    endpoints = Endpoints(office.store)
    began = datetime(2026, 1, 31, tzinfo=UTC)
    gone = [
        Endpoint(id=f"whe_{number:04}", url=f"https://{number}.example/", created_at=began, disabled_at=at)
        for number in range(999)
        for at in (began + timedelta(seconds=number),)
    ]
    rows = {one.url: one.model_dump_json() for one in gone}
    office.store.redis.hset(office.store.keys("endpoints", "default"), mapping=rows)
    mine = endpoints.register("default", "https://a.example/")
    endpoints.disable("default", mine.url, "it answered 410 Gone")
    assert door.post("/v1/webhooks", json={"url": "https://b.example/"}).status_code == 201
    endpoints.disable("default", "https://c.example/", "it answered 410 Gone")
    left = {one.url for one in endpoints.all("default")}
    assert len(left) == 1000
    assert left >= {mine.url, "https://b.example/", "https://c.example/", gone[2].url}
    assert not left & {gone[0].url, gone[1].url}


def test_changes_at_the_same_time_lose_no_secret(office: Office) -> None:
    """A courier disables an endpoint while its owner changes the secret, again and again."""
    endpoints = Endpoints(office.store)
    made = endpoints.register("default", "https://a.example/")
    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            rotated = threads.submit(endpoints.rotate, "default", made.id)
            threads.submit(endpoints.disable, "default", made.url, "gone").result()
            now = endpoints.get("default", made.id)
            assert rotated.result().secrets[0] in (endpoints.get("default", made.id).secrets)
            assert now.disabled_at is not None


def test_a_test_event_is_signed_tried_once_and_logged(office: Office, door: TestClient) -> None:
    mood = {"status": 204}
    with receiving(lambda _: Answer(mood["status"])) as receiver, office.courier(receiver):
        made = door.post("/v1/webhooks", json={"url": receiver.url}).json()
        receiver.secret = made["secret"]

        def tested() -> dict[str, object]:
            sent = door.post(f"/v1/webhooks/{made['id']}/test")
            assert sent.status_code == 202
            place = sent.headers["location"]
            receiver.until(lambda: door.get(place).json()["state"] != "waiting")
            found: dict[str, object] = door.get(place).json()
            return found

        taken = tested()
        (body,) = receiver.bodies
        assert body["type"] == "webhook.test"
        assert body == taken["body"]
        assert (taken["state"], taken["tries"]) == ("delivered", 1)
        mood["status"] = 500
        refused = tested()
        assert (refused["state"], refused["tries"]) == ("given_up", 1)
        assert len(receiver.requests) == 2
    assert door.post("/v1/webhooks/whe_1/test").status_code == 404


def test_a_range_of_time_is_sent_again_with_the_same_ids_and_bodies(office: Office, door: TestClient) -> None:
    with receiving(secret=office.secret) as receiver, office.courier(receiver):
        job = office.run_job(receiver)
        receiver.until(lambda: office.store.stats()["deliveries"] == 0)
        before = dict(receiver.accepted)
        log = door.get("/v1/webhook_deliveries", params={"job_id": job.id, "limit": 2}).json()
        assert [one["state"] for one in log["deliveries"]] == ["delivered"] * 2
        assert log["deliveries"][0]["attempts"][0]["status"] == 204
        rest = door.get("/v1/webhook_deliveries", params={"job_id": job.id, "cursor": log["cursor"]}).json()
        ids = [one["id"] for one in (*log["deliveries"], *rest["deliveries"])]
        assert set(ids) == set(before)
        assert door.post("/v1/webhook_replays", json={"until": "2100-01-01T00:00:00Z"}).status_code == 400
        since = job.created_at.isoformat()
        assert door.post("/v1/webhook_replays", json={"since": since}).json() == {"ids": ids}
        receiver.until(lambda: len(receiver.requests) == 2 * len(EVENTS))
        receiver.until(lambda: office.store.stats()["deliveries"] == 0)
        assert receiver.accepted == before
