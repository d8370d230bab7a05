"""What `up` and `worker` run: one table of children, one row a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omni_jobs.settings import PREFIX, Settings
from omni_jobs.supervisor import ChildSpec


@dataclass(frozen=True)
class Plan:
    """Settings as they stand after the command line, the addresses decided here, and what workers serve.

    `port` is the API's; None runs workers alone.
    """

    settings: Settings
    redis_url: str
    models: tuple[str, ...]
    config: Path | None = None
    caps: str | None = None
    slots: int | None = None
    workers: int = 1
    port: int | None = None

    @property
    def api_url(self) -> str | None:
        """Where this plan's API answers on this machine."""
        host = self.settings.api_host
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        return (self.port and f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}") or None

    def environment(self) -> dict[str, str]:
        """Of every child: ours, with the addresses that were decided here."""
        decided = {
            "REDIS_URL": self.redis_url,
            "STORAGE_URL": self.settings.storage_url,
            "DATA_DIR": str(self.settings.data_dir),
            "SLOTS": self.slots and str(self.slots),
            "API_URL": self.settings.api_url or self.api_url,
        }
        return {**os.environ, **{PREFIX + name: value for name, value in decided.items() if value}}


def worker_commands(plan: Plan) -> list[tuple[str, list[str]]]:
    """One worker process each, named so that `up` knows its own."""
    command = [sys.executable, "-m", "workers.app", "--end-with-input"]
    command += [part for model in plan.models for part in ("--model", model)]
    command += ["--config", str(plan.config)] if plan.config else []
    command += ["--caps", plan.caps] if plan.caps else []
    return [(name, [*command, "--name", name]) for name in worker_names(plan)]


def worker_names(plan: Plan) -> list[str]:
    """The ids of this plan's workers."""
    return [f"worker-{os.getpid()}-{number}" for number in range(plan.workers)]


def api_commands(plan: Plan) -> list[tuple[str, list[str]]]:
    """The HTTP API."""
    if plan.port is None:
        return []
    return [("api", [sys.executable, "-m", "omni_jobs.api", "--end-with-input", "--port", str(plan.port)])]


def courier_commands(plan: Plan) -> list[tuple[str, list[str]]]:
    """Webhooks, and a reconciler besides those of the workers."""
    if plan.port is None:
        return []
    return [("courier", [sys.executable, "-m", "omni_jobs.webhooks.courier", "--end-with-input"])]


#: Who runs, in the order of starting; they are stopped together.
TABLE: tuple[Callable[[Plan], list[tuple[str, list[str]]]], ...] = (
    worker_commands,
    api_commands,
    courier_commands,
)


def children(plan: Plan, log_folder: Path | None) -> list[ChildSpec]:
    """The rows of the table for this plan; each child's output goes to a log of its own, if there is a folder."""
    environment = plan.environment()
    return [
        ChildSpec(name, command, environment, log_folder and log_folder / f"{name.rpartition('-')[0] or name}.log")
        for row in TABLE
        for name, command in row(plan)
    ]
