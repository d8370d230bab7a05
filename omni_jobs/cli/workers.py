"""The pool from the inside: `workers list`, `drain` and `models`. They talk to Redis, as workers do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command, read_service
from omni_jobs.errors import ExecutionFailed, NotFound
from omni_jobs.schemas import WorkerInfo, nearest

if TYPE_CHECKING:
    from omni_jobs.store import JobStore

#: Pause between two looks at a worker, and the beats after which one has surely heard a wish and told its effect.
LOOK_SECONDS = 0.2
HEARD_BEATS = 2


@click.group()
def workers() -> None:
    """Look at the live workers, or have one hand its jobs back and end."""


@workers.command("list")
@command
def list_workers(cli: Cli) -> None:
    """The live workers: models, slots in use, device, time since the start."""
    with opened_store(cli) as store:
        found = store.workers()
    if cli.as_json:
        show.print_json([one.model_dump(mode="json", exclude_none=True) for one in found])
        return
    table = show.table_of("WORKER", "STATE", "JOBS", "MODELS", "DEVICE", "VERSION", "UP")
    for one in found:
        models = ", ".join(f"{name} ({state})" for name, state in sorted(one.models.items()))
        up = str(datetime.now(UTC).replace(microsecond=0) - one.started_at.replace(microsecond=0))
        state = one.state if one.held_up is None else f"{one.state}, held up: {one.held_up}"
        table.add_row(one.id, state, f"{one.in_flight}/{one.slots}", models, one.device, one.version, up)
    Console().print(table)


@workers.command("drain")
@click.argument("worker_ids", metavar="WORKER...", nargs=-1, required=True)
@command
def drain(cli: Cli, worker_ids: tuple[str, ...]) -> None:
    """Have workers claim nothing more, hand back what they run, and end. A supervisor starts a fresh one."""
    with opened_store(cli) as store:
        alive = {one.id: one for one in store.workers()}
        chosen = [_find(alive, worker_id) for worker_id in worker_ids]
        for one in chosen:
            store.ask_to_drain(one.id)
    for one in chosen:
        if cli.as_json:
            show.print_json({"worker": one.id, "jobs": one.in_flight})
        else:
            click.echo(f"{one.id} drains; {one.in_flight} jobs go back to the queue without spending an attempt")


#: What can be done with a model of a worker, and the states that it is then in.
CHANGES: dict[str, tuple[str, ...]] = {
    "load": ("ready",),
    "wake": ("ready",),
    "sleep": ("asleep", "unloaded"),
    "unload": ("unloaded",),
    "reload": ("ready",),
}


@workers.command("models")
@click.argument("worker_id", metavar="WORKER")
@click.argument("action", required=False, type=click.Choice(list(CHANGES)))
@click.argument("model", required=False)
@click.option("--timeout", type=click.FloatRange(0), default=600.0, show_default=True, help="Seconds to wait.")
@command
def change_model(cli: Cli, worker_id: str, action: str | None, model: str | None, timeout: float) -> None:
    """A worker's models and their states; or load, unload, sleep, wake or reload one of them.

    A model that is asleep or unloaded is brought back by itself when a job asks for it. To reload a model is to
    free it and load it as the worker's omni.toml says by now; what runs on it ends first, and its jobs wait.
    """
    with opened_store(cli) as store:
        found = _find({one.id: one for one in store.workers()}, worker_id)
        if action is not None:
            if model is None or model not in found.models:
                remedy = nearest(model or "", found.models)
                raise NotFound(f"Worker {worker_id} has no model {model!r}.", field="model", remedy=remedy)
            store.ask_for_change(worker_id, action, model)
            found = _wait_for(store, found, model, action, time.monotonic() + timeout)
    if cli.as_json:
        show.print_json({"worker": found.id, "models": found.models})
        return
    for name, state in sorted(found.models.items()):
        click.echo(f"{name}  {state}")


def _wait_for(store: JobStore, asked: WorkerInfo, model: str, action: str, ends: float) -> WorkerInfo:
    """The worker once its model is as was asked for.

    Raises:
        ExecutionFailed: the model failed, or was refused. TimeoutError: it took longer.
    """
    beats = set[datetime]()
    while True:
        found = _find({one.id: one for one in store.workers()}, asked.id)
        beats |= {found.beat_at} - {asked.beat_at}
        heard, state = len(beats) >= HEARD_BEATS, found.models[model]
        reason = found.details.get("errors", {}).get(model)
        if heard and (state == "failed" or (action == "reload" and state != "loading" and reason)):
            raise ExecutionFailed(f"Model {model} failed: {reason or 'it does not load'}")
        # Before a reload the model is in the same state as after it.
        if state in CHANGES[action] and (heard or action != "reload"):
            return found
        if time.monotonic() > ends:
            raise TimeoutError(f"Model {model} is still {state}; it changes when its jobs allow.")
        time.sleep(LOOK_SECONDS)


def _find(alive: dict[str, WorkerInfo], worker_id: str) -> WorkerInfo:
    if worker_id not in alive:
        remedy = nearest(worker_id, alive) if alive else "No worker is alive."
        raise NotFound(f"No live worker is called {worker_id!r}.", field="worker", value=worker_id, remedy=remedy)
    return alive[worker_id]


@contextmanager
def opened_store(cli: Cli) -> Iterator[JobStore]:
    """The store, found by --url, the environment, or what `up` in this data folder said."""
    from omni_jobs.store import connect

    settings = cli.settings()
    url = cli.url
    if url is None and "redis_url" not in settings.model_fields_set:
        url = read_service(settings.data_dir).get("redis_url")
    if url is not None:
        settings = settings.model_copy(update={"redis_url": SecretStr(url)})
    store = connect(settings)
    try:
        yield store
    finally:
        store.close()
