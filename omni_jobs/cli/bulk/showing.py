"""How a bulk run looks: a live line for a person, JSON for a program, nothing in between for neither."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from omni_jobs.cli import show

#: Seconds between two JSON lines of a run with --json.
JSON_SECONDS = 10.0


class Display:
    """Called with each status of a run; used as a context."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._last_json = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.fields[state]}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            console=Console(stderr=True),
            disable=as_json or not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", state="starting", words="", total=None)

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, status: Mapping[str, Any]) -> None:
        left = status["left"] or 0
        done = (status["total"] or 0) - left
        state = status["trouble"] or status["state"]
        self._bar.update(self._task, total=status["total"], completed=done, state=state, words=words(status))
        if self._as_json and time.monotonic() - self._last_json > JSON_SECONDS:
            self._last_json = time.monotonic()
            show.print_json(status)


def words(status: Mapping[str, Any]) -> str:
    """A status in one line."""
    bad = {name: status[name] for name in ("failed", "invalid", "repeated", "canceled") if status[name]}
    total = "?" if status["total"] is None else status["total"]
    told = [
        f"{status['succeeded']}/{total} done",
        *(f"{count} {name}" for name, count in bad.items()),
        f"{status['outputs_per_second']:.2f}/s",
        f"{status['device_seconds']:.0f} s of device",
    ]
    if status["eta_seconds"] is not None and status["left"]:
        told.append(f"{duration(status['eta_seconds'])} left")
    return ", ".join(told)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as far as there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def print_status(status: Mapping[str, Any], *, as_json: bool) -> None:
    """A status that somebody asked for."""
    if as_json:
        show.print_json(status)
        return
    click.echo(f"{status['state']}  {words(status)}")
    if status["trouble"]:
        click.echo(f"  waits: {status['trouble']}")
    click.echo(f"  on {status['host']}, process {status['pid']}, last heard of {status['updated_at']}")
