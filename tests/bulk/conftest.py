"""A service on the simulated device, and `omni-jobs bulk` as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, deployed

#: Prompts with these words fail, or kill the engine process.
SOURCE = "simulated?launch_ms=4&fail_on=fail&crash_on=poison"
STEPS = 4
Bulk = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Redis and a worker that serves `sim`, shared by the tests of a module."""
    with deployed(tmp_path_factory.mktemp("service"), max_attempts=3) as running:
        running.start_worker(SOURCE)
        yield running


@contextmanager
def commands(surroundings: Mapping[str, str]) -> Iterator[Bulk]:
    """Starts `omni-jobs bulk ...` in this environment; each is ended at the end, whatever happened."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "omni_jobs.cli", "bulk", *map(str, arguments)],
                env={**surroundings, **environment},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def bulk(service: Deployment) -> Iterator[Bulk]:
    """Starts `omni-jobs bulk ...` against the service."""
    with commands(service.environment) as begin:
        yield begin


def finished(process: subprocess.Popen[str], status: int = 0) -> dict[str, Any]:
    """The last JSON that a command printed when it ended with this status."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == status, f"{process.returncode}: {output[-2000:]}{errors[-2000:]}"
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def manifest(folder: Path, *lines: dict[str, Any] | str, name: str = "jobs.jsonl") -> Path:
    """A manifest of jobs for `sim`; text stands as it is."""
    path = folder / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(job(**line))) + "\n" for line in lines))
    return path


def job(**fields: Any) -> dict[str, Any]:
    return {"model": "sim", "parameters": {"num_inference_steps": STEPS}, **fields}


def foxes(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"a fox number {number}", **fields} for number in range(count)]


def rows(out: Path) -> list[dict[str, Any]]:
    """Every row of the results."""
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def facts(out: Path) -> list[tuple[Any, ...]]:
    """What two runs of one manifest must agree on."""
    names = ("line", "line_id", "status", "seed", "outputs")
    return sorted(tuple(json.dumps(row.get(name)) for name in names) for row in rows(out))


def until_rows(out: Path, count: int) -> None:
    """Wait until so many lines have ended."""
    ends = time.monotonic() + 60
    results = out / "results.jsonl"
    while not results.exists() or results.read_bytes().count(b"\n") < count:
        assert time.monotonic() < ends
        time.sleep(0.01)
