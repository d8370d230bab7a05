"""Bulk runs without any service: a child of the command renders, and nothing else runs."""

from __future__ import annotations

import random
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from omni_jobs.redis_server import free_port
from tests.bulk.conftest import Bulk, commands, facts, finished, foxes, manifest, rows, until_rows
from tests.e2e.deployment import Deployment
from tests.servers.processes import environment
from tests.workers.certificates import validated, write_identity
from workers.bulk.company import ALONE_AFTER_CRASHES, Company

SOURCE = "sim=simulated?launch_ms=4&fail_on=fail&crash_on=poison"
Local = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Starts `omni-jobs bulk run --local` where no Redis answers; ended with the test."""
    nowhere = {"redis_url": f"redis://127.0.0.1:{free_port()}", "data_dir": tmp_path / "data"}
    with commands(environment(nowhere)) as begin:

        def run(path: Path, out: Path, *options: str, source: str = SOURCE) -> subprocess.Popen[str]:
            return begin("run", path, "--out", out, "--local", "--source", source, *options)

        yield run


def test_both_ways_give_the_same_results(local: Local, bulk: Bulk, service: Deployment, tmp_path: Path) -> None:
    lines: list[dict[str, Any] | str] = [
        *foxes(12, deterministic=True),
        {"prompt": "fail"},
        "{",
        {"prompt": "two", "num_outputs": 2, "seed": 0},
    ]
    lines[-1] |= {"deterministic": True, "output": {"format": "jpeg"}}  # type: ignore[operator]
    path = manifest(tmp_path, *lines)
    here, there = tmp_path / "here", tmp_path / "there"
    told = [finished(local(path, here), status=4), finished(bulk("run", path, "--out", there), status=4)]
    assert [(one["succeeded"], one["failed"], one["invalid"]) for one in told] == [(13, 1, 1)] * 2
    assert facts(here) == facts(there)
    for row in rows(here):
        for output in row.get("outputs", []):
            assert (here / output["key"]).read_bytes() == (there / output["key"]).read_bytes()


def test_outputs_are_signed_if_the_operator_has_a_certificate(tmp_path: Path) -> None:
    files, out = write_identity(tmp_path), tmp_path / "out"
    settings = {"c2pa_certificate": files.certificate, "c2pa_key": files.key, "data_dir": tmp_path / "data"}
    path = manifest(tmp_path, *foxes(2))
    with commands(environment(settings)) as begin:
        finished(begin("run", path, "--out", out, "--local", "--source", SOURCE))
    pictures = [(out / output["key"]).read_bytes() for row in rows(out) for output in row["outputs"]]
    assert [validated("image/png", picture, files) for picture in pictures] == ["Trusted"] * 2


@pytest.mark.slow
def test_killed_three_times_it_ends_as_if_nothing_had_happened(local: Local, tmp_path: Path) -> None:
    path = manifest(tmp_path, *foxes(24, deterministic=True))
    quiet, rough = tmp_path / "quiet", tmp_path / "rough"
    chance = random.Random(11)
    for _ in range(3):
        process = local(path, rough)
        until_rows(rough, (len(rows(rough)) if rough.exists() else 0) + chance.randint(1, 6))
        process.kill()
        process.wait()
    assert finished(local(path, rough))["left"] == 0
    finished(local(path, quiet))
    assert facts(rough) == facts(quiet)
    for row in rows(quiet):
        for output in row["outputs"]:
            assert (quiet / output["key"]).read_bytes() == (rough / output["key"]).read_bytes()


def test_poison_fails_alone_and_a_second_run_is_kept_out(local: Local, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = manifest(tmp_path, *foxes(20), {"prompt": "poison"}, *foxes(40)[20:])
    process = local(path, out)
    until_rows(out, 1)
    other = local(path, out)
    _, said = other.communicate(timeout=60)
    assert other.returncode == 78
    assert "Another run writes to" in said
    told = finished(process, status=4)
    assert (told["succeeded"], told["failed"]) == (40, 1)
    (failed,) = [row for row in rows(out) if row["status"] == "failed"]
    assert (failed["line"], failed["error"]["code"]) == (21, "poisoned")


def test_a_model_that_does_not_load_is_said_before_anything_runs(local: Local, tmp_path: Path) -> None:
    process = local(manifest(tmp_path, *foxes(1)), tmp_path / "out", source="sim=simulated?lunch_ms=1")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "options.lunch_ms" in said


def test_lines_are_checked_against_models_that_are_loaded_for_it(bulk: Bulk, tmp_path: Path) -> None:
    path = manifest(tmp_path, *foxes(2), {"prompt": "x", "parameters": {"widht": 64}})
    process = bulk("check", path, "--local", "--source", SOURCE, OMNI_REDIS_URL="redis://127.0.0.1:1")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "line 3, column parameters.widht" in said
    assert "Did you mean `width`?" in said


@pytest.mark.parametrize("seed", range(20))
def test_only_poison_fails_whatever_the_company(seed: int) -> None:
    """The process dies whenever a poisoned member runs; blamed are those of a random part of who runs then."""
    chance = random.Random(seed)
    poison = set(chance.sample(range(30), 3))
    company: Company[int] = Company()
    arriving = deque(range(30))
    succeeded: set[int] = set()
    failed: set[int] = set()
    while arriving or company.waiting or company.suspects or company.running:
        for _ in range(min(len(arriving), chance.randint(1, 10))):
            company.add(arriving.popleft())
        company.next()
        assert company.running
        deadly = poison.intersection(company.running)
        batch = {one for one in company.running if one in deadly or chance.random() < 0.5}
        for member in list(company.running):
            if not deadly:
                company.ended(member)
                succeeded.add(member)
            elif member not in batch:
                company.returned(member)
            elif company.crashed(member):
                company.ended(member)
                failed.add(member)
    assert failed == poison
    assert succeeded == set(range(30)) - poison
    assert ALONE_AFTER_CRASHES > 1
