"""The parts of one deployment under fire: Redis, an S3 server, API, courier, workers, each behind its own proxies.

A keeper thread starts dead processes again, as a supervisor would. Everything ends with this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from omni_jobs.redis_server import RedisServer, free_port, start_server
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from omni_jobs.supervisor import UNAVAILABLE
from storage import ObjectStore, open_store
from tests.chaos.proxy import Loop, Mode, Proxy
from tests.chaos.roles import BROKEN, HANGING, MODEL, POISON
from tests.servers.moto import moto
from tests.servers.processes import environment
from tests.servers.s3_server import S3Server

LEASE_SECONDS = 2.5
MAX_ATTEMPTS = 5
BUCKET = "chaos"
APIS = 2
#: An S3 server behind proxies, or a folder, which costs less and knows no faults of the network.
Storage = Literal["s3", "folder"]
#: Pause before a dead process is started again.
RESTART_SECONDS = 0.3
READY_SECONDS = 180.0
CONFIG = f"""
[models.{MODEL}]
source = "simulated"
caps = "fixed(8)"
call_budget_seconds = 3
[models.{MODEL}.options]
launch_ms = 4
encode_ms = 1
decode_ms = 2
crash_on = "{POISON}"
hang_on = "{HANGING}"
fail_on = "{BROKEN}"
"""


@dataclass
class Member:
    """One process of ours and the proxies through which it reaches the others."""

    name: str
    command: list[str]
    settings: dict[str, object]
    log: Path
    redis: Proxy
    storage: Proxy | None
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    is_doomed: bool = False
    starts: int = field(default=0)

    def start(self) -> None:
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command,
                env=environment(self.settings),
                stdin=subprocess.PIPE,
                start_new_session=True,  # as the supervisor does
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.is_doomed, self.starts = False, self.starts + 1

    @property
    def proxies(self) -> list[Proxy]:
        return [proxy for proxy in (self.redis, self.storage) if proxy is not None]

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    @property
    def engine(self) -> int | None:
        """The engine process of a worker."""
        return next(children(self.pid), None) if self.pid is not None else None

    def signal(self, number: signal.Signals) -> bool:
        """Whether it was there to get it. A signal that ends it is no death of its own."""
        self.is_doomed |= number in (signal.SIGKILL, signal.SIGTERM)
        return self.pid is not None and send(self.pid, number)

    def kill(self) -> bool:
        """As `kill -9` does; whether it was there."""
        return self.signal(signal.SIGKILL)


class Fleet:
    """A running deployment. `on_death` is told of processes that ended though nobody killed them.

    A process that starts while Redis is away ends by design, for its supervisor to start it again.
    """

    def __init__(self, folder: Path, server: RedisServer, s3: S3Server | None, receiver: str) -> None:
        self.folder = folder
        self.server = server
        self.loop = Loop()
        self.api_ports = [free_port() for _ in range(APIS)]
        self.settings = Settings(redis_url=server.url)
        self.store: JobStore = connect(self.settings)
        if s3 is not None:
            s3.make_bucket(BUCKET)
            self.objects: ObjectStore = open_store(f"s3://{BUCKET}", **s3.options)
        else:
            self.objects = open_store(str(folder / "objects"))
        self._config = folder / "omni.toml"
        self._config.write_text(CONFIG)
        self._redis_at = ("127.0.0.1", urlsplit(server.url).port or 0)
        self._s3 = s3
        self._receiver = urlsplit(receiver).netloc
        self.members: dict[str, Member] = {}
        self._extra: dict[str, object] = {}
        self.on_death: Callable[[str, int], None] = lambda _name, _status: None
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.api_ports]

    def start(self, workers: int, **settings: object) -> None:
        """Start everything with these settings, and wait until a job could run."""
        self._extra = settings
        for number in range(workers):
            name = f"worker-{number}"
            self._add(name, "workers.app", "--config", str(self._config), "--name", name)
        for number, port in enumerate(self.api_ports):
            self._add(f"api-{number}", "omni_jobs.api", "--port", str(port))
        self._add("courier", "omni_jobs.webhooks.courier")
        self._keeper.start()
        ends = time.monotonic() + READY_SECONDS
        while not self._is_ready(workers):
            assert time.monotonic() < ends, "the deployment did not come up"
            time.sleep(0.1)

    def of_role(self, role: str) -> list[Member]:
        return [member for member in self.members.values() if member.name.partition("-")[0] == role]

    def kill_redis(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def stop_redis(self) -> None:
        self.server.stop()

    def start_redis(self) -> None:
        """On its append-only file and its port, as before."""
        self.server.process = start_server(self.server.folder, port=self._redis_at[1], fsync="always").process

    def heal(self) -> None:
        """Every connection passes and nobody is frozen."""
        for member in self.members.values():
            for proxy in member.proxies:
                proxy.set(Mode.PASS)
            member.signal(signal.SIGCONT)

    def close(self) -> None:
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for member in self.members.values():
            for pid in (*children(member.pid), member.pid) if member.pid is not None else ():
                send(pid, signal.SIGKILL)
            if member.process is not None:
                member.process.wait()
                if member.process.stdin is not None:
                    member.process.stdin.close()
            for proxy in member.proxies:
                proxy.close()
        self.store.close()
        self.objects.close()
        self.loop.close()

    def _add(self, name: str, module: str, *arguments: str) -> None:
        redis = Proxy(self.loop, f"{name}>redis", self._redis_at)
        storage = None
        if self._s3 is not None:
            at = urlsplit(self._s3.endpoint)
            storage = Proxy(self.loop, f"{name}>storage", (at.hostname or "", at.port or 0))
        command = [sys.executable, "-m", module, "--end-with-input", *arguments]
        settings = self._settings(redis) | self._storage_settings(storage)
        member = Member(name, command, settings, self.folder / f"{name}.log", redis, storage)
        member.start()
        self.members[name] = member

    def _storage_settings(self, storage: Proxy | None) -> dict[str, object]:
        if self._s3 is None or storage is None:
            return {"storage_url": self.folder / "objects"}
        endpoint = f"http://127.0.0.1:{storage.port}"
        return {
            "storage_url": f"s3://{BUCKET}?endpoint={endpoint}&read_timeout_seconds=3&max_attempts=2",
            "storage_access_key": self._s3.access_key_id,
            "storage_secret_key": self._s3.secret_access_key,
        }

    def _settings(self, redis: Proxy) -> dict[str, object]:
        return {
            "redis_url": f"redis://127.0.0.1:{redis.port}/0",
            "data_dir": self.folder,
            "lease_seconds": LEASE_SECONDS,
            "reconcile_seconds": 0.5,
            "grace_seconds": 5,
            "max_attempts": MAX_ATTEMPTS,
            "slots": 16,
            "webhook_allow": self._receiver,
            "webhook_waits": ",".join(["0.5"] * 60),
            "webhook_timeout_seconds": 2,
            "log_format": "console",
            "log_level": "warning",
            **self._extra,
        }

    def _is_ready(self, workers: int) -> bool:
        alive = self.store.workers()
        return sum(info.models.get(MODEL) == "ready" for info in alive) == workers

    def _keep(self) -> None:
        while not self._closing.wait(0.05):
            for member in self.members.values():
                self._tend(member)

    def _tend(self, member: Member) -> None:
        if member.pid is not None or member.process is None:
            return
        now = time.monotonic()
        if not member.restart_at:
            member.restart_at = now + RESTART_SECONDS
            if not member.is_doomed and member.process.returncode != UNAVAILABLE:
                self.on_death(member.name, member.process.returncode)
        elif now >= member.restart_at:
            member.restart_at = 0.0
            if member.process.stdin is not None:
                member.process.stdin.close()
            member.start()


def children(pid: int) -> Iterator[int]:
    """The child processes of a process, from any of its threads."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            yield from (int(child) for child in file.read_text().split())


def send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def deployed(folder: Path, receiver: str, storage: Storage) -> Iterator[Fleet]:
    """A fleet in `folder`, not started yet. `receiver` is where webhooks may go."""
    bucket = moto() if storage == "s3" else nullcontext()
    with start_server(folder / "redis", fsync="always") as server, bucket as s3:
        fleet = Fleet(folder, server, s3, receiver)
        try:
            yield fleet
        finally:
            fleet.close()
