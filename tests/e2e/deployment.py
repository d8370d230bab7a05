"""A whole deployment for a test: a real Redis, real worker processes, a folder or bucket for objects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omni_jobs import queue
from omni_jobs.names import model_queue
from omni_jobs.redis_server import RedisServer, start_server
from omni_jobs.schemas import Job, Status, WorkerInfo
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from storage import ObjectStore, open_store

WAIT_SECONDS = 60.0
LEASE_SECONDS = 2.0


class Deployment:
    """One test's parts. Every process it starts is ended with it."""

    def __init__(self, folder: Path, server: RedisServer, environment: dict[str, str]) -> None:
        self.folder = folder
        self.server = server
        self.environment = environment
        self.settings = Settings(redis_url=server.url)
        self.store: JobStore = connect(self.settings)
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def objects(self) -> ObjectStore:
        names = {"access_key_id": "OMNI_STORAGE_ACCESS_KEY", "secret_access_key": "OMNI_STORAGE_SECRET_KEY"}
        keys = {key: self.environment[name] for key, name in names.items() if name in self.environment}
        return open_store(self.environment["OMNI_STORAGE_URL"], **keys)

    def start_worker(self, source: str = "simulated?launch_ms=1", *, wait: bool = True, **settings: Any) -> str:
        """Start a worker that serves model `sim`; returns its id."""
        name = f"worker-{len(self.workers)}"
        extra = {f"OMNI_{key.upper()}": str(value) for key, value in settings.items()}
        command = [sys.executable, "-m", "workers.app", "--model", f"sim={source}", "--caps", "fixed(8)"]
        with (self.folder / f"{name}.log").open("wb") as errors:
            process = subprocess.Popen(
                [*command, "--name", name], env={**self.environment, **extra}, stderr=errors
            )
        self.workers.append(process)
        if wait:
            self.until(lambda: self.worker(name) is not None and self.worker(name).models["sim"] == "ready")  # type: ignore[union-attr]
        return name

    def worker(self, name: str) -> WorkerInfo | None:
        return next((info for info in self.store.workers() if info.id == name), None)

    def submit(self, prompt: str = "a fox", steps: int = 4, **fields: Any) -> Job:
        parameters = {"num_inference_steps": steps, **fields.pop("parameters", {})}
        body = {"model": "sim", "prompt": prompt, "parameters": parameters, **fields}
        return queue.submit(self.store, body)[0]

    def job(self, job: Job) -> Job:
        return self.store.get(job.account, job.id)

    def finished(self, *jobs: Job) -> list[Job]:
        """Wait until all have ended."""
        return [self.reaches(job, lambda now: now.is_finished) for job in jobs]

    def reaches(self, job: Job, fact: Callable[[Job], bool]) -> Job:
        """Wait until the job's record satisfies `fact`, woken by its events."""
        ends = time.monotonic() + WAIT_SECONDS
        while True:
            now = self.job(job)
            if fact(now):
                return now
            assert time.monotonic() < ends, f"job {job.id} stays {now.status}: {now}"
            self.store.wait(job.account, job.id, now.sequence, 0.2)

    def is_denoising(self, job: Job) -> Job:
        """Wait until the job has made a step."""
        return self.reaches(job, lambda now: now.progress is not None and now.progress.step > 0)

    def until(self, fact: Callable[[], Any]) -> None:
        ends = time.monotonic() + WAIT_SECONDS
        while not fact():
            assert time.monotonic() < ends, "it did not come true"
            time.sleep(0.02)

    def engine_process(self, name: str) -> int:
        info = self.worker(name)
        assert info is not None
        return int(info.details["engine_process"])

    def log(self, name: str) -> str:
        """What a worker has logged."""
        return (self.folder / f"{name}.log").read_text()

    def drop_doorbells(self) -> None:
        """Lose every Celery message that waits."""
        self.store.redis.delete(model_queue("sim"))

    @staticmethod
    def moment(seconds: float) -> str:
        """A time so many seconds from now, as a job's JSON has it."""
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()

    def restart_redis(self) -> None:
        """Kill the server and start it again on its append-only file, on the same port."""
        self.server.process.kill()
        self.server.process.wait()
        port = urlsplit(self.server.url).port
        self.server.process = start_server(self.server.folder, port=port, fsync="always").process

    def check(self, job: Job) -> None:
        """What must hold of every job that succeeded: one ending, gap-free events, outputs that verify."""
        events = self.store.events(job.account, job.id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert sum(event.type.is_terminal for event in events) == 1
        assert job.status is Status.SUCCEEDED
        for artifact in job.artifacts:
            assert f"/{job.attempt}/" in artifact.key
            info = self.objects.head(artifact.key)
            assert (info.size_bytes, info.sha256) == (artifact.size_bytes, artifact.sha256)

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.store.close()


@contextmanager
def deployed(folder: Path, **settings: Any) -> Iterator[Deployment]:
    """A deployment in `folder`, without workers yet."""
    with start_server(folder / "redis", fsync="always") as server:
        base = {
            "OMNI_REDIS_URL": server.url,
            "OMNI_DATA_DIR": str(folder),
            "OMNI_STORAGE_URL": str(folder / "objects"),
            "OMNI_LEASE_SECONDS": str(LEASE_SECONDS),
            "OMNI_RECONCILE_SECONDS": "0.5",
            "OMNI_LOG_FORMAT": "console",
            "OMNI_GRACE_SECONDS": "10",
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
        extra = {f"OMNI_{name.upper()}": str(value) for name, value in settings.items()}
        deployment = Deployment(folder, server, {**own, **base, **extra})
        try:
            yield deployment
        finally:
            deployment.close()
