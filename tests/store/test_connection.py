"""Which servers are taken and which are refused, and that a lost server is an error and never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from omni_jobs import queue
from omni_jobs.errors import Misconfigured, QueueUnavailable
from omni_jobs.names import model_queue
from omni_jobs.redis_server import RedisServer, find_binary, free_port, start_server
from omni_jobs.schemas import JobRequest, ModelCard, Status
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from tests.servers.tls_front import tls_front
from tests.store.conftest import create


def whole_life(store: JobStore) -> None:
    """A job through every kind of call: scripts, pub/sub, pipelines and the doorbell."""
    store.publish_card(ModelCard(name="tiny", tasks=("generate",), pipeline="P", parameters_schema={}))
    job, _ = queue.submit(store, {"model": "tiny", "prompt": "x"})
    assert store.wait("default", job.id, 0, 10)
    claim = store.claim_next("w", ["tiny"], lease_seconds=10)
    assert claim is not None
    assert store.move("default", job.id, Status.SUCCEEDED, attempt=1).status is Status.SUCCEEDED
    assert store.list("default")[0][0].id == job.id
    assert store.reconcile().is_leader


def doorbells(store: JobStore) -> int:
    prefix = "" if store.keys.prefix == "omni" else f"{store.keys.prefix}:"
    return int(store.redis.llen(prefix + model_queue("tiny")))


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_refused(tmp_path: Path, policy: str) -> None:
    with start_server(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", policy)
        with pytest.raises(Misconfigured, match=policy):
            connect(Settings(redis_url=server.url))


def test_a_managed_server_hides_config(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-config")
            client.config_set("maxmemory-policy", "allkeys-lru")
            url = server.url.replace("redis://", "redis://app:pw@")
            with pytest.raises(Misconfigured, match="allkeys-lru"):
                connect(Settings(redis_url=url))
            client.config_set("maxmemory-policy", "noeviction")
        connect(Settings(redis_url=url)).close()


def test_an_acl_user_confined_to_the_prefix(any_redis_server: RedisServer, key_prefix: str) -> None:
    with redis.Redis.from_url(any_redis_server.url) as client:
        client.execute_command(
            "ACL", "SETUSER", key_prefix, "on", ">pä/ß", f"~{key_prefix}:*", "resetchannels", f"&{key_prefix}:*",
            "+@all", "-@dangerous", "+info",
        )  # fmt: skip
    url = any_redis_server.url.replace("redis://", f"redis://{key_prefix}:p%C3%A4%2F%C3%9F@")
    store = connect(Settings(redis_url=url, key_prefix=key_prefix))
    whole_life(store)
    assert doorbells(store) == 1
    store.close()
    with pytest.raises(Misconfigured, match="refuses"):
        create(JobStore(store.redis, type(store.keys)("elsewhere")))


def test_two_prefixes_share_nothing(redis_server: RedisServer, key_prefix: str) -> None:
    here, there = (connect(Settings(redis_url=redis_server.url, key_prefix=key_prefix + end)) for end in "ab")
    whole_life(here)
    assert doorbells(here) == 1
    assert [
        key for key in there.redis.keys(f"{key_prefix}*") if not key.startswith(f"{key_prefix}a:".encode())
    ] == []
    here.close()
    there.close()


def test_tls(redis_server: RedisServer, key_prefix: str, tmp_path: Path) -> None:
    port = int(redis_server.url.rsplit(":", 1)[1].split("/")[0])
    with tls_front(port, tmp_path) as (tls_port, certificate):
        url = f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate}"
        store = connect(Settings(redis_url=url, key_prefix=key_prefix))
        whole_life(store)
        assert doorbells(store) == 1
        store.close()
        with pytest.raises(QueueUnavailable):
            connect(Settings(redis_url=f"rediss://127.0.0.1:{tls_port}/0"))


def test_a_unix_socket(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    command = [
        str(find_binary()),
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--dir",
        str(tmp_path),
        "--save",
        "",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=str(socket), retry=Retry(ConstantBackoff(0.02), 500)) as client:
            client.ping()
        store = connect(Settings(redis_url=f"unix://{socket}?db=2"))
        whole_life(store)
        assert doorbells(store) == 1
        store.close()
    finally:
        server.terminate()
        server.wait()


def test_wrong_password(tmp_path: Path) -> None:
    with start_server(tmp_path, password="right") as server:
        for url in (server.url.replace("right", "wrong"), server.url.replace(":right@", "")):
            with pytest.raises(Misconfigured, match="refuses") as refused:
                connect(Settings(redis_url=url))
            assert "wrong" not in str(refused.value)
        connect(Settings(redis_url=server.url)).close()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://127.0.0.1:notaport", "127.0.0.1:6379"])
def test_a_malformed_address(url: str) -> None:
    with pytest.raises(Misconfigured):
        connect(Settings(redis_url=url))


def test_nobody_answers() -> None:
    with pytest.raises(QueueUnavailable):
        connect(Settings(redis_url=f"redis://127.0.0.1:{free_port()}"))


def test_a_full_server_takes_no_half_job(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        store = connect(Settings(redis_url=server.url))
        create(store)
        before = sorted(store.redis.keys())
        store.redis.config_set("maxmemory", 1)
        with pytest.raises(QueueUnavailable, match="memory"):
            store.create(JobRequest(model="tiny", prompt="x"), account="new", seed=1, fingerprint="f")
        store.redis.config_set("maxmemory", 0)
        assert sorted(store.redis.keys()) == before
        store.close()


def test_a_server_that_died_is_a_retryable_error_and_its_successor_is_found(tmp_path: Path) -> None:
    port = free_port()
    with start_server(tmp_path, port=port) as server:
        store = connect(Settings(redis_url=server.url))
        job = create(store)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        with pytest.raises(QueueUnavailable):
            store.get("default", job.id)
    with start_server(tmp_path, port=port):
        assert store.get("default", job.id).id == job.id
        assert store.claim_next("w", ["tiny"], lease_seconds=1) is not None
    store.close()
