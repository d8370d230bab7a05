"""Structured logs: one line per move, with job, attempt and request id. Each process configures them once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
#: Loggers that say at "info" what we say better, or nothing that a person needs.
CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.apps.worker", "httpx", "botocore", "urllib3")


def configure_logs(form: Literal["json", "console"], level: str) -> None:
    """Send our lines and those of the standard library to stderr, as JSON or for a person."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    root.setLevel(LEVELS[level])


@contextmanager
def job_context(account: str, job_id: str, attempt: int) -> Iterator[None]:
    """Every line logged by this thread inside carries the job and its attempt."""
    with structlog.contextvars.bound_contextvars(account=account, job=job_id, attempt=attempt):
        yield
