"""`workers` and `logs` against a running service."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from tests.cli.conftest import COMMAND, Run, environment, running_up


def test_workers_are_listed_and_a_jobs_log_has_its_moves_and_lines(omni: Run) -> None:
    (worker,) = json.loads(omni("workers", "list", "--json").stdout)
    assert (worker["state"], worker["models"]) == ("ready", {"sim": "ready"})
    assert worker["id"] in omni("workers", "list").stdout
    job = json.loads(omni("submit", "a fox", "--model", "sim", "--json").stdout.splitlines()[-1])
    told = json.loads(omni("logs", job["id"], "--json").stdout)
    assert [event["type"] for event in told["events"]] == [
        "job.queued",
        "job.started",
        "job.output",
        "job.succeeded",
    ]
    assert any("attempt ends" in one["line"] for one in told["lines"])
    shown = omni("logs", job["id"]).stdout
    assert "job.started" in shown
    assert "attempt begins" in shown
    assert omni("workers", "drain", "nobody").returncode == 3


def test_a_drained_worker_ends_and_is_replaced(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        return subprocess.run(
            [*COMMAND, *arguments], env=environment(tmp_path), capture_output=True, text=True, check=True
        ).stdout

    with running_up(tmp_path):
        (before,) = json.loads(run("workers", "list", "--json"))
        assert "drains" in run("workers", "drain", before["id"])
        ends = time.monotonic() + 40
        while True:
            alive = json.loads(run("workers", "list", "--json"))
            if alive and alive[0]["started_at"] > before["started_at"]:
                break
            assert time.monotonic() < ends, alive
