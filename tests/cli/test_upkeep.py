"""`fsck`, `collect` and `dead` against a running service."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def submitted(omni: Run, prompt: str) -> str:
    return str(json.loads(omni("submit", prompt, "--model", "sim", "--json").stdout.splitlines()[-1])["id"])


def test_upkeep_of_a_healthy_service(omni: Run, data: Path) -> None:
    job = submitted(omni, "a fox")
    assert omni("fsck").stdout == "all is well\n"
    stray = data / "objects" / "out" / "default" / job / "9"
    assert omni("collect", "--older-than", "0").returncode == 0
    assert not stray.exists()
    assert omni("get", job).returncode == 0
    would = json.loads(omni("collect", "--finished", "0", "--dry-run", "--json").stdout)
    assert job in would["jobs"]
    assert omni("get", job).returncode == 0
    assert f"removed job {job}" in omni("collect", "--finished", "0").stdout
    assert omni("get", job).returncode != 0


def test_fsck_says_what_it_cannot_mend(omni: Run, data: Path) -> None:
    job = submitted(omni, "a fox")
    (stored,) = (path for path in (data / "objects").rglob(f"*{job}*/**/0.png*") if path.is_file())
    stored.unlink()
    found = omni("fsck", "--mend")
    assert found.returncode == 1
    assert "object_missing" in found.stdout
    assert omni("fsck", "--no-objects").returncode == 0
    omni("collect", "--finished", "0")


def test_the_dead_are_listed_and_tried_again(omni: Run) -> None:
    job = submitted(omni, "fail")
    assert f"{job} sim attempt 1: execution_failed: " in omni("dead", "list").stdout
    assert omni("dead", "list", "--code", "poisoned").stdout == ""
    assert omni("dead", "redrive").returncode == 2
    old, _, new = omni("dead", "redrive", "--all", "--code", "execution_failed").stdout.strip().partition(" -> ")
    assert old == job
    assert json.loads(omni("get", new, "--json").stdout)["retry_of"] == job
