"""Any Celery application, with settings of its own, submits by name; the broker's address in kombu's words."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from omni_jobs.celery_tasks import broker_address, broker_settings
from omni_jobs.redis_server import start_server
from omni_jobs.schemas import Job
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from tests.client.conftest import CARD


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[JobStore]:
    """A deployment with the default prefix, which is the one that plain Celery settings reach."""
    with start_server(tmp_path / "redis", password="secret") as server:
        store = connect(Settings(redis_url=server.url))
        store.publish_card(CARD)
        yield store
        store.close()


def wait_for_jobs(store: JobStore, account: str, count: int) -> list[Job]:
    """Looks until so many jobs are there; pytest's time limit ends a wait in vain."""
    while len(jobs := store.list(account)[0]) < count:
        time.sleep(0.02)
    return jobs


def test_a_foreign_celery_application_submits_by_name(own_store: JobStore) -> None:
    mine = Celery("somebody-elses", broker=own_store.broker_url, set_as_current=False)
    good = {"model": "tiny", "prompt": "from afar", "seed": 5}
    for _ in range(3):
        mine.send_task("omni_jobs.submit", [good], queue="omni.submit", task_id="once", ignore_result=True)
    mine.send_task("omni_jobs.submit", [{"model": "tiny"}], queue="omni.submit", ignore_result=True)
    mine.send_task("omni_jobs.submit", ["nonsense"], {"account": "b"}, queue="omni.submit", ignore_result=True)
    last = {"job": good | {"prompt": "last"}, "account": "b"}
    mine.send_task("omni_jobs.submit", kwargs=last, queue="omni.submit", ignore_result=True)
    command = [sys.executable, "-m", "tests.client.letter_slot", own_store.broker_url, own_store.keys.prefix]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        (job,) = wait_for_jobs(own_store, "b", 1)
        assert job.request.prompt == "last"
        (once,) = own_store.list("default")[0]
        assert (once.seed, once.request.prompt) == (5, "from afar")
    finally:
        worker.terminate()
        output, _ = worker.communicate(timeout=60)
    assert output.count("submit_refused") == 2
    assert own_store.redis.llen("omni.submit") == 0
    mine.close()


def test_addresses_in_kombus_words() -> None:
    assert broker_address("redis://u:p%40@h:1/3") == ("redis://u:p%40@h:1/3", None)
    assert broker_address("redis://h:1?db=4") == ("redis://h:1/4", None)
    address, tls = broker_address("rediss://:p@h:1/0?ssl_ca_certs=/ca.pem&ssl_check_hostname=false")
    assert address == "rediss://:p@h:1/0"
    assert tls == {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert broker_address("unix:///run/redis.sock?db=2")[0] == "redis+socket:///run/redis.sock?virtual_host=2"


def test_the_measured_settings() -> None:
    settings = broker_settings("redis://h", "omni")
    options = settings["broker_transport_options"]
    assert (options["visibility_timeout"], options["unacked_restore_interval"]) == (86_400, 5)
    assert options["global_keyprefix"] == ""
    assert broker_settings("redis://h", "other")["broker_transport_options"]["global_keyprefix"] == "other:"
    assert settings["task_acks_late"]
    assert settings["worker_prefetch_multiplier"] == 1
