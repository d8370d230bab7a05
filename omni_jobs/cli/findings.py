"""Findings as `doctor` and `new-model` show them, and the children that make those about models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Literal

from rich.console import Console

from omni_jobs.errors import ExecutionFailed

State = Literal["ok", "warning", "wrong", "skipped"]
COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "wrong": "red", "skipped": "dim"}


@dataclass(frozen=True)
class Finding:
    """One fact, and what to do if it is not as it should be."""

    name: str
    state: State
    text: str
    remedy: str | None = None

    def show(self, console: Console) -> None:
        """A line, and one for the remedy."""
        console.print(f"[{COLOURS[self.state]}]{self.state:8}[/] ", end="")
        console.print(f"{self.name:14} {self.text}", markup=False, highlight=False)
        if self.remedy:
            console.print(f"{'':23} -> {self.remedy}", markup=False, highlight=False)


def answers(module: str, question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of JSON that a child answers, as they come: this process never imports torch.

    Raises:
        ExecutionFailed: the child ended with an error; the last line that it wrote says which.
    """
    command = [sys.executable, "-m", module]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(question))
        child.stdin.close()
        yield from (json.loads(line) for line in child.stdout if line.startswith("{"))
        if child.wait():
            errors.seek(0)
            lines = errors.read().strip().splitlines() or ["it said nothing"]
            raise ExecutionFailed(lines[-1].removeprefix("error: "))
