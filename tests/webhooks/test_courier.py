"""The courier as a process: at least once, one id per event, and nobody waits for a receiver in trouble."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from omni_jobs import queue
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas import Job, Status
from omni_jobs.settings import Settings
from omni_jobs.signing_secret import webhook_secret
from omni_jobs.store import JobStore, connect
from tests.api.conftest import card, job_body
from tests.servers.processes import api, started
from tests.servers.scripted import Answer
from tests.webhooks.receiver import Receiver, receiving

EVENTS = ["job.queued", "job.started", "job.succeeded"]


@dataclass
class Office:
    """A store with a courier beside it; the courier is told of receivers when it starts."""

    store: JobStore
    settings: dict[str, Any]
    folder: Path

    @property
    def secret(self) -> str:
        return webhook_secret(Settings.model_validate(self.settings))

    def courier(self, *receivers: Receiver, **changes: Any) -> Any:
        allowed = ",".join(receiver.place for receiver in receivers)
        given = self.settings | {"webhook_allow": allowed} | changes
        return started("omni_jobs.webhooks.courier", log=self.folder / "courier.log", **given)

    def run_job(self, receiver: Receiver, **fields: Any) -> Job:
        """A job from queued to succeeded whose events go to the receiver."""
        body = job_body(webhook={"url": receiver.url}, **fields)
        queue.submit(self.store, body)
        claim = self.store.claim_next("tester", ["paper"], lease_seconds=60)
        assert claim is not None
        return self.store.move(claim.account, claim.job_id, Status.SUCCEEDED, attempt=claim.attempt)


@pytest.fixture
def office(redis_server: RedisServer, tmp_path: Path) -> Iterator[Office]:
    settings = {
        "redis_url": redis_server.url,
        "key_prefix": f"t{secrets.token_hex(6)}",
        "storage_url": str(tmp_path / "objects"),
        "data_dir": str(tmp_path),
        "webhook_waits": "0.05,0.05,0.05,0.05,0.05,0.05,0.05",
        "webhook_timeout_seconds": 5,
    }
    store = connect(Settings.model_validate(settings))
    store.publish_card(card())
    yield Office(store, settings, tmp_path)
    store.close()


def test_a_receiver_that_was_down_gets_every_event_and_nobody_else_waited(office: Office) -> None:
    """Five failures, each of another kind; the neighbour has all of its events before the first success."""
    failures = [Answer(503), Answer(500), Answer(302), Answer(429, headers={"Retry-After": "0"}), Answer(404)]
    neighbour_done = threading.Event()

    def mood(number: int) -> Answer:
        if number <= len(failures):
            return failures[number - 1]
        neighbour_done.wait(30)
        return Answer(200)

    with receiving(mood, office.secret) as broken, receiving(secret=office.secret) as healthy:
        sent = [office.run_job(broken), *(office.run_job(healthy) for _ in range(5))]
        with office.courier(broken, healthy):
            healthy.until(lambda: len(healthy.accepted) == 5 * len(EVENTS))
            neighbour_done.set()
            broken.until(lambda: len(broken.accepted) >= len(EVENTS))
        assert [kind for _, kind in broken.events()] == EVENTS
        assert [sequence for sequence, _ in broken.events()] == [1, 2, 3]
        # One id per event, whatever the number of tries; the state in each is the job's at that event.
        ids = {body["data"]["sequence"]: message for message, body in broken.accepted.items()}
        assert set(ids.values()) == {f"evt_{sent[0].id[4:]}_{sequence}" for sequence in (1, 2, 3)}
        states = {body["type"]: body["data"]["job"]["status"] for body in broken.accepted.values()}
        assert states == {"job.queued": "queued", "job.started": "running", "job.succeeded": "succeeded"}
    assert office.store.stats()["deliveries"] == 0


def test_a_receiver_that_never_answers_delays_nobody(office: Office) -> None:
    hangs = threading.Event()
    with receiving(lambda _: Answer() if hangs.wait(60) else Answer(500)) as silent, receiving() as healthy:
        for _ in range(40):
            office.run_job(silent)
        office.run_job(healthy)
        with office.courier(silent, healthy, webhook_timeout_seconds=3, webhook_waits="60"):
            healthy.until(lambda: len(healthy.accepted) == len(EVENTS))
            # At most its limit of messages is on the way to the silent one.
            assert len(silent.requests) <= 4
            hangs.set()


def test_one_account_leaves_room_for_the_others(office: Office) -> None:
    hangs = threading.Event()

    def queued(receiver: Receiver, account: str) -> None:
        hook = {"url": receiver.url, "events": ["job.queued"]}
        queue.submit(office.store, job_body(webhook=hook), account=account)

    with receiving(lambda _: Answer() if hangs.wait(60) else Answer(500)) as silent, receiving() as healthy:
        for _ in range(80):
            queued(silent, "default")
        with office.courier(silent, healthy, webhook_in_flight=100, webhook_timeout_seconds=60):
            silent.until(lambda: len(silent.requests) == 64)
            queued(healthy, "neighbour")
            healthy.until(lambda: healthy.accepted)
            assert len(silent.requests) == 64
            hangs.set()


def test_one_accounts_trouble_at_a_host_is_not_anothers(office: Office) -> None:
    """The first account's receiver asks for a minute's rest; the second one's has the same host and port."""

    def queued(url: str, account: str) -> None:
        queue.submit(office.store, job_body(webhook={"url": url, "events": ["job.queued"]}), account=account)

    def mood(number: int) -> Answer:
        return Answer(503, headers={"Retry-After": "60"}) if number == 1 else Answer(204)

    with receiving(mood) as receiver, office.courier(receiver, webhook_waits="3600"):
        queued(f"{receiver.url}/down", "default")
        receiver.until(lambda: office.store.deliveries("default")[0][0].attempts)
        queued(f"{receiver.url}/up", "neighbour")
        receiver.until(lambda: receiver.accepted)
        assert [one.path.rpartition("/")[2] for one in receiver.requests] == ["down", "up"]


def test_a_delivery_that_cannot_be_read_holds_up_no_other(office: Office) -> None:
    """Such as one that a later version wrote, before it was taken back."""
    with receiving(secret=office.secret) as receiver:
        broken, _ = queue.submit(office.store, job_body(webhook={"url": receiver.url}))
        (delivery,) = office.store.deliveries("default")[0]
        office.store.redis.hset(office.store.keys("delivery", delivery.id), "request", '{"from": "the future"}')
        office.store.move("default", broken.id, Status.CANCELED)
        with office.courier(receiver):
            receiver.until(lambda: receiver.accepted)
        assert receiver.events() == [(2, "job.canceled")]
        assert office.store.stats()["deliveries"] == 1


def test_a_courier_that_is_killed_loses_nothing(office: Office) -> None:
    blocked = threading.Event()

    def mood(number: int) -> Answer:
        if number <= 3:
            blocked.wait(30)
        return Answer(200)

    with receiving(mood) as receiver:
        office.run_job(receiver)
        with office.courier(receiver, webhook_timeout_seconds=5) as process:
            receiver.until(lambda: len(receiver.requests) == 3)
            os.kill(process.pid, signal.SIGKILL)
        blocked.set()
        # The next courier gets them when the lease of the dead one ends; the test does not wait for that.
        for delivery in office.store.redis.zrange(office.store.keys("outbox"), 0, -1):
            office.store.settle_delivery(delivery.decode(), "untried")
        with office.courier(receiver):
            receiver.until(lambda: office.store.stats()["deliveries"] == 0)
        assert len(receiver.accepted) == len(EVENTS)


def test_what_may_not_be_reached_is_given_up_at_once_and_can_be_replayed(office: Office) -> None:
    with receiving(secret=office.secret) as receiver, api(office.folder, **office.settings) as url:
        job = office.run_job(receiver)
        with office.courier():
            receiver.until(lambda: office.store.stats()["dead_deliveries"] == len(EVENTS))
        assert receiver.requests == []
        found = httpx.get(f"{url}/v1/webhook_deliveries", params={"state": "given_up", "job_id": job.id}).json()
        assert {one["type"] for one in found["deliveries"]} == set(EVENTS)
        assert all("may not be reached" in one["attempts"][0]["error"] for one in found["deliveries"])
        first, *rest = [one["id"] for one in found["deliveries"]]
        assert httpx.post(f"{url}/v1/webhook_deliveries/{first}/replay").json() == {"ids": [first]}
        assert httpx.post(f"{url}/v1/webhook_replays", json={"state": "given_up"}).json() == {"ids": rest}
        with office.courier(receiver):
            receiver.until(lambda: len(receiver.accepted) == len(EVENTS))
        assert set(receiver.accepted) == {first, *rest}


def test_an_endpoint_has_its_own_secret_keeps_the_old_one_for_a_while_and_ends_with_410(office: Office) -> None:
    mood = {"status": 200}
    with (
        receiving(lambda _: Answer(mood["status"])) as receiver,
        api(office.folder, **office.settings) as url,
        office.courier(receiver),
    ):
        made = httpx.post(f"{url}/v1/webhooks", json={"url": receiver.url}).json()
        receiver.secret = made["secret"]
        office.run_job(receiver)
        receiver.until(lambda: len(receiver.accepted) == len(EVENTS))
        changed = httpx.post(f"{url}/v1/webhooks/{made['id']}/rotate").json()
        assert changed["secret"] != made["secret"]
        for count, secret in ((6, made["secret"]), (9, changed["secret"])):
            receiver.secret = secret
            office.run_job(receiver)
            receiver.until(lambda count=count: len(receiver.accepted) == count)  # type: ignore[misc]

        mood["status"] = 410
        office.run_job(receiver)
        receiver.until(lambda: office.store.stats()["dead_deliveries"] == len(EVENTS))
        (endpoint,) = httpx.get(f"{url}/v1/webhooks").json()["endpoints"]
        assert endpoint["reason"] == "it answered 410 Gone"
        assert "secret" not in endpoint
        taken = len(receiver.requests)
        office.run_job(receiver)
        receiver.until(lambda: office.store.stats()["dead_deliveries"] == 2 * len(EVENTS))
        assert len(receiver.requests) == taken
        assert httpx.delete(f"{url}/v1/webhooks/{made['id']}").status_code == 204


def test_only_the_events_that_were_asked_for_are_sent(office: Office) -> None:
    with receiving(secret=office.secret) as receiver, office.courier(receiver):
        url = {"url": receiver.url, "events": ["job.canceled"]}
        job, _ = queue.submit(office.store, job_body(webhook=url, images=[]))
        queue.cancel(office.store, job.account, job.id)
        receiver.until(lambda: receiver.accepted)
    assert receiver.events() == [(2, "job.canceled")]
