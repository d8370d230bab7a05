"""Keeps child processes alive: restarts the dead with a growing pause, drains all on SIGINT and SIGTERM.

Used by `omni-jobs up` and `omni-jobs worker`. A child holds the read end of a pipe as its standard input and ends
itself when that closes, so that nothing outlives us even if we are killed.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

#: First and longest pause before a dead child is started again; one that lived so long starts without a pause.
BACKOFF_SECONDS = (0.5, 30.0)
STEADY_SECONDS = 60.0
TICK_SECONDS = 0.1
#: Exit statuses of a child: no restart can help it, and what it needs does not answer.
MISCONFIGURED, UNAVAILABLE = 78, 69


@dataclass(frozen=True)
class ChildSpec:
    """One row of the table of children. Its standard error goes to `log_file`, if there is one."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path | None = None


@dataclass
class Child:
    """A spec and the process that runs it now."""

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    pause_seconds: float = BACKOFF_SECONDS[0]
    restarts: int = -1

    def start(self) -> None:
        log_file = self.spec.log_file
        errors = log_file.open("ab") if log_file is not None else None
        try:
            self.process = subprocess.Popen(
                self.spec.command,
                env=dict(self.spec.environment),
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches us; we tell the children
            )
        finally:
            if errors is not None:
                errors.close()
        self.started_at, self.restarts = time.monotonic(), self.restarts + 1

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Runs its children until it is told to stop. `grace_seconds` is what a child gets to drain.

    Until `has_begun` is set, a service that does not answer ends us too: the first start fails loudly.
    """

    specs: Sequence[ChildSpec]
    grace_seconds: float
    has_begun: bool = False
    children: list[Child] = field(default_factory=list)
    failed: Child | None = None

    def __post_init__(self) -> None:
        self.children = [Child(spec) for spec in self.specs]
        self._stopping = threading.Event()
        self._kills = False

    def run(self, on_tick: Callable[[], None] = lambda: None) -> int:
        """Supervise from the main thread until SIGINT or SIGTERM; `on_tick` is called about ten times a second.

        Returns 0 after a stop, else the status of a child that no restart can help (see `failed`).
        """
        handlers = {kind: signal.signal(kind, self._on_signal) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._stopping.is_set() and self.failed is None:
                for child in self.children:
                    self._tend(child)
                on_tick()
                self._stopping.wait(TICK_SECONDS)
        finally:
            self._stop_all()
            for kind, handler in handlers.items():
                signal.signal(kind, handler)
        return self.failed.process.returncode if self.failed and self.failed.process else 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._kills = self._stopping.is_set()
        self._stopping.set()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None or (child.restart_at and now >= child.restart_at):
            child.restart_at = 0.0
            child.start()
        elif not child.is_alive and not child.restart_at:
            status = child.process.returncode
            if status == MISCONFIGURED or (status == UNAVAILABLE and not self.has_begun):
                self.failed = child
                return
            if now - child.started_at > STEADY_SECONDS:
                child.pause_seconds = BACKOFF_SECONDS[0]
            log.warning("child died", child=child.spec.name, status=status, restart_in=child.pause_seconds)
            child.restart_at = now + child.pause_seconds
            child.pause_seconds = min(child.pause_seconds * 2, BACKOFF_SECONDS[1])

    def _stop_all(self) -> None:
        """SIGTERM to all, then wait; those that do not end in time, or after a second Ctrl-C, are killed."""
        for child in self.children:
            if child.process is not None and child.is_alive:
                child.process.terminate()
        ends = time.monotonic() + self.grace_seconds
        for child in self.children:
            while child.is_alive and time.monotonic() < ends and not self._kills:
                time.sleep(TICK_SECONDS / 2)
            if child.process is not None:
                if child.is_alive:
                    log.error("child does not end; killing it", child=child.spec.name)
                    child.process.kill()
                child.process.wait()
                if child.process.stdin is not None:
                    child.process.stdin.close()
