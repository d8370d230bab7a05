"""The Celery worker: the app, its measured settings, and how it starts and drains. `python -m workers.app`.

Celery carries doorbells and nothing else: no ETA, retry, revoke, time limit, priority or result. Why each setting
has its value stands in `docs/decisions.md`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog
from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from omni_jobs import queue
from omni_jobs.celery_tasks import make_app, queue_named, register_submit, submit_queue
from omni_jobs.errors import OmniJobsError, Unavailable
from omni_jobs.lifeline import end_with_input
from omni_jobs.logs import configure_logs
from omni_jobs.names import DOORBELL_TASK, model_queue
from omni_jobs.safety import load_prompt_check
from omni_jobs.schemas import Job
from omni_jobs.settings import load_settings
from workers.notices import heed_notices
from workers.registry import read_rows
from workers.service import WorkerService
from workers.tasks import answer_doorbell
from workers.transport import use_patient_transport

log = structlog.get_logger(__name__)

#: Threads beyond the slots, so that submits and doorbells get in while every slot is busy.
SPARE_THREADS = 4
POOL = "workers.pool:TaskPool"
#: Exit statuses, as of the command line: 78 wrong configuration, 69 a service does not answer.
EXIT_MISCONFIGURED, EXIT_UNAVAILABLE = 78, 69


def make_worker_app(service: WorkerService) -> Celery:
    """The Celery app that hears the doorbells of this worker's models, and submits from any application."""
    settings, store = service.settings, service.store
    prompt_check = load_prompt_check(settings.prompt_check)
    app = make_app(settings.redis_url.get_secret_value(), settings.key_prefix)
    app.conf.worker_enable_remote_control = False
    app.conf.task_queues = [queue_named(model_queue(model)) for model in service.models] + [submit_queue()]

    @app.task(name=DOORBELL_TASK)  # type: ignore[untyped-decorator]
    def doorbell(*_hint: str) -> None:
        answer_doorbell(service)

    def submit(job: Mapping[str, Any], account: str, job_id: str) -> Job:
        return queue.submit(
            store,
            job,
            account=account,
            job_id=job_id,
            max_attempts=settings.max_attempts,
            max_queued=settings.max_queued_jobs,
            limits=settings.limits,
            prompt_check=prompt_check,
        )[0]

    register_submit(app, submit)
    return app


def run_worker(service: WorkerService) -> int:
    """Hear doorbells until told to stop; then hand back what is in flight. Returns Celery's exit status."""
    os.environ["CELERY_CUSTOM_WORKER_POOL"] = POOL  # read by Celery when its pools are imported
    use_patient_transport()
    app = make_worker_app(service)

    def on_ready(**_: Any) -> None:
        log.info("worker hears doorbells", worker=service.id, models=service.models, slots=service.slots.total)

    def on_shutdown(**_: Any) -> None:
        # Celery calls this in a signal handler: nothing here may wait for a lock of the main thread.
        threading.Thread(target=drain_in_time, args=(service,), name="drain", daemon=True).start()

    setup_logging.connect(lambda **_: None, weak=False)  # logs are ours already
    # Celery fears pickle under root; only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    worker_ready.connect(on_ready, weak=False)
    worker_shutting_down.connect(on_shutdown, weak=False)
    service.start()
    concurrency = service.slots.total + SPARE_THREADS
    options = f"-q worker -P custom -c {concurrency} --without-gossip --without-mingle -n {service.id}@%h"
    try:
        app.worker_main(options.split())
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        service.close()
    return 0


def drain_in_time(service: WorkerService) -> None:
    """Hand everything back; what is not done in the time of grace is left to the leases."""
    ends = time.monotonic() + service.settings.grace_seconds
    service.drain()
    if not service.is_closed.wait(max(0.0, ends - time.monotonic())):
        log.error("grace has passed; ending with jobs in flight", jobs=service.slots.busy)
        os._exit(1)


@click.command(help="Run one worker. Usually started by `omni-jobs up` or `omni-jobs worker`.")
@click.option("--model", "models", multiple=True, metavar="NAME=SOURCE", help="A model to serve.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Path of omni.toml.")
@click.option("--caps", help="Batch caps of every model: measured, or fixed(8).")
@click.option("--name", help="Name of this worker; made up if absent.")
@click.option("--end-with-input", "ends_with_input", is_flag=True, help="Drain when standard input closes.")
def main(
    models: tuple[str, ...], config: Path | None, caps: str | None, name: str | None, ends_with_input: bool
) -> None:
    """Entry point of the worker process."""
    if ends_with_input:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    try:
        settings = load_settings()
        configure_logs(settings.log_format, settings.log_level)
        if settings.notice_command is not None:
            heed_notices(settings.notice_command)
        read = partial(read_rows, config or settings.config, models, caps)
        service = WorkerService(settings, read(), name, read)
    except OmniJobsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_MISCONFIGURED)
    sys.exit(run_worker(service))


if __name__ == "__main__":
    main()
