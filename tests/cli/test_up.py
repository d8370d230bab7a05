"""`omni-jobs up`: refuses what cannot work, drains on a signal, and leaves nothing behind when it is killed."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

import pytest

from omni_jobs.cli.context import read_service
from omni_jobs.settings import Settings
from omni_jobs.store import connect
from tests.cli.conftest import COMMAND, environment, running_up

WAIT_SECONDS = 60
NO_STORAGE = {
    "OMNI_STORAGE_URL": "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1&max_attempts=1",
    "OMNI_STORAGE_ACCESS_KEY": "key",
    "OMNI_STORAGE_SECRET_KEY": "secret",
}


def run(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(data) | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "words"),
    [
        (["up"], {}, 78, "No model is given"),
        pytest.param(["up", "--port", "0", "--model", "a"], {}, 78, "NAME=SOURCE", marks=pytest.mark.slow),
        pytest.param(
            ["up", "--port", "0", "--model", "a=./nowhere"], {}, 78, "model_index.json", marks=pytest.mark.slow
        ),
        pytest.param(
            ["up", "--port", "0", "--model", "a=simulated", "--caps", "many"],
            {},
            78,
            "fixed(8)",
            marks=pytest.mark.slow,
        ),
        (["up", "--port", "0", "--model", "a=simulated"], {"OMNI_SLOTZ": "3"}, 78, "OMNI_SLOTS"),
        (["up", "--port", "0", "--model", "a=simulated"], NO_STORAGE, 69, "storage"),
        (
            ["up", "--port", "0", "--model", "a=simulated", "--redis", "redis://127.0.0.1:9/0"],
            {},
            69,
            "Redis does not answer",
        ),
        (["worker", "--model", "a=simulated"], {"OMNI_REDIS_URL": "redis://127.0.0.1:9/0"}, 69, "Redis"),
        (["submit", "x"], {"OMNI_REDIS_URL": "redis://127.0.0.1:9/0"}, 69, "Redis does not answer"),
    ],
)
def test_what_cannot_work_is_said_at_the_start(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], status: int, words: str
) -> None:
    done = run(tmp_path, *arguments, **settings)
    assert words in done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_doctor_without_a_service_names_the_remedy(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", OMNI_REDIS_URL="redis://127.0.0.1:9/0")
    assert done.returncode == 1
    assert "omni-jobs up" in done.stdout


def test_nothing_outlives_a_killed_up_and_nothing_is_lost(tmp_path: Path) -> None:
    with running_up(tmp_path) as up:
        job = run(tmp_path, "submit", "slow", "--no-wait", "--steps", "200", "--outputs", "4").stdout.strip()
        descriptors = [os.pidfd_open(process) for process in processes_of(tmp_path)]
        up.kill()
        up.wait()
    for descriptor in descriptors:
        ended, _, _ = select.select([descriptor], [], [], WAIT_SECONDS)
        os.close(descriptor)
        assert ended, "a process outlived `up`"
    with running_up(tmp_path):
        assert run(tmp_path, "watch", job).returncode == 0
    assert not read_service(tmp_path)


def processes_of(data: Path) -> list[int]:
    """The engine process, its worker and the Redis server of the service in this folder."""
    store = connect(Settings(redis_url=read_service(data)["redis_url"]))
    (worker,) = store.workers()
    engine = int(worker.details["engine_process"])
    found = [engine, parent_of(engine), int(store.redis.info()["process_id"])]
    store.close()
    return found


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
