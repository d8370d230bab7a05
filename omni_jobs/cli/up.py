"""Running the service: `up` is all of it on one machine, `worker` one more worker for a service that runs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import httpx

from omni_jobs.cli.context import SERVICE_FILE, Cli, read_service, service_command
from omni_jobs.cli.plan import Plan, children, worker_names
from omni_jobs.errors import Misconfigured, QueueUnavailable
from omni_jobs.lifeline import end_with_input
from omni_jobs.logs import configure_logs
from omni_jobs.schemas import SERVING
from omni_jobs.settings import Settings
from omni_jobs.supervisor import Supervisor

if TYPE_CHECKING:
    from omni_jobs.redis_server import RedisServer
    from omni_jobs.store import JobStore

F = TypeVar("F", bound=Callable[..., Any])
#: What a child gets beyond its time of grace before it is killed.
MARGIN_SECONDS = 5.0
LOG_TAIL_LINES = 12


def model_options(function: F) -> F:
    """The options that say what a worker serves."""
    options = [
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="NAME=SOURCE",
            help="A folder, hub id or simulated; some models need no source (see models --known).",
        ),
        click.option(
            "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Path of omni.toml."
        ),
        click.option("--caps", help="Batch caps of every model: measured (default), or fixed(8)."),
        click.option("--slots", type=click.IntRange(1, 1024), help="Jobs in flight per worker."),
        click.option("--workers", type=click.IntRange(1, 64), default=1, help="Worker processes, one per device."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@model_options
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the HTTP API; 0 takes a free one.")
@click.option("--redis", "redis_url", metavar="URL", help="Use this Redis; else OMNI_REDIS_URL, else our own.")
@click.option("--end-with-input", "ends_with_input", is_flag=True, help="Drain when standard input closes.")
@service_command
def up(cli: Cli, redis_url: str | None, port: int | None, ends_with_input: bool, **options: Any) -> None:
    """Run the whole service on this machine. Prints a line `ready ...` when it takes jobs; Ctrl-C drains."""
    if ends_with_input:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    settings = cli.settings()
    data = settings.data_dir.absolute()
    settings = _rooted(settings, data)
    _need_models(settings, options)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    given = redis_url or (
        settings.redis_url.get_secret_value() if "redis_url" in settings.model_fields_set else None
    )
    server = None if given else _own_redis(data / "redis")
    address = given or (server.url if server else "")
    wanted = settings.api_port if port is None else port
    plan = Plan(settings, address, port=wanted or _free_port(), **options)
    service = data / SERVICE_FILE
    told = {"redis_url": address, "storage_url": settings.storage_url, "api_url": plan.api_url or ""}
    try:
        _write_private(service, told)
        _run(plan, logs, Watch(plan, server))
    finally:
        service.unlink(missing_ok=True)
        if server is not None:
            server.stop()


@click.command()
@model_options
@service_command
def worker(cli: Cli, **options: Any) -> None:
    """Run workers for a service whose Redis OMNI_REDIS_URL names, or which `up` runs in this data folder."""
    settings = cli.settings()
    _need_models(settings, options)
    beside = read_service(settings.data_dir)
    if "storage_url" not in settings.model_fields_set and "storage_url" in beside:
        settings = settings.model_copy(update={"storage_url": beside["storage_url"]})
    plan = Plan(settings, cli.address(), **options)
    _run(plan, None, Watch(plan, None))


@dataclass
class Watch:
    """What is looked at while the children run: whether jobs are taken, whether our Redis lives."""

    plan: Plan
    server: RedisServer | None
    is_ready: bool = False
    _store: JobStore | None = None
    _next_look: float = field(default=0.0)

    def __call__(self) -> None:
        if self.server is not None and self.server.process.poll() is not None:
            self._restart_redis(self.server)
        if not self.is_ready and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + 0.2
            self._look()

    def _look(self) -> None:
        from omni_jobs.store import connect

        if self._store is None:
            settings = self.plan.settings.model_copy(update={"redis_url": _secret(self.plan.redis_url)})
            self._store = connect(settings)
        try:
            alive = self._store.workers()
        except QueueUnavailable:
            return  # it answered before; the workers wait for it too
        names = set(worker_names(self.plan))
        states = {model: state for info in alive if info.id in names for model, state in info.models.items()}
        loading = len(names - {info.id for info in alive}) or "loading" in states.values()
        if loading or SERVING.isdisjoint(states.values()) or not self._api_answers():
            return
        self.is_ready = True
        models = {
            state: ",".join(sorted(m for m, its in states.items() if its == state))
            for state in set(states.values())
        }
        failed = f" failed={models['failed']}" if "failed" in models else ""
        address = f" {self.plan.api_url}" if self.plan.api_url else ""
        served = ",".join(sorted(model for model, state in states.items() if state in SERVING))
        click.echo(f"ready{address} models={served}{failed} pid={os.getpid()}")
        sys.stdout.flush()

    def _api_answers(self) -> bool:
        if self.plan.api_url is None:
            return True
        try:
            return httpx.get(f"{self.plan.api_url}/healthz", timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @staticmethod
    def _restart_redis(server: RedisServer) -> None:
        from urllib.parse import urlsplit

        from omni_jobs.redis_server import start_server

        parts = urlsplit(server.url)
        server.process = start_server(server.folder, port=parts.port, password=parts.password).process


def _run(plan: Plan, logs: Path | None, watch: Watch) -> None:
    configure_logs("console", plan.settings.log_level)
    supervisor = Supervisor(children(plan, logs), plan.settings.grace_seconds + MARGIN_SECONDS)

    def on_tick() -> None:
        watch()
        supervisor.has_begun = watch.is_ready

    status = supervisor.run(on_tick)
    if supervisor.failed is not None:
        log_file = supervisor.failed.spec.log_file
        if log_file is not None:
            click.echo("\n".join(log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]), err=True)
        sys.exit(status)


def _rooted(settings: Settings, data: Path) -> Settings:
    """Everything under the data folder, unless it was said otherwise."""
    changes: dict[str, Any] = {"data_dir": data}
    if "storage_url" not in settings.model_fields_set:
        changes["storage_url"] = str(data / "objects")
    return settings.model_copy(update=changes)


def _own_redis(folder: Path) -> RedisServer:
    from omni_jobs.redis_server import new_password, start_server

    return start_server(folder, password=new_password())


def _need_models(settings: Settings, options: Mapping[str, Any]) -> None:
    if not options["models"] and not options["config"] and not settings.config:
        raise Misconfigured(
            "No model is given.",
            field="model",
            remedy="Add --model shapes, --model NAME=FOLDER, or --config omni.toml.",
        )


def _free_port() -> int:
    from omni_jobs.redis_server import free_port

    return free_port()


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)


def _write_private(path: Path, value: Mapping[str, str]) -> None:
    """A file that only its owner reads: the address may hold a password."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file)
