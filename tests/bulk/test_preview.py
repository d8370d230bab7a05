"""`bulk expand` and `bulk check` on the command line, before any service is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omni_jobs.bulk.estimate import Estimate
from omni_jobs.bulk.manifest import line_of
from omni_jobs.bulk.results import Outcome, Output, ended
from omni_jobs.cli import main
from omni_jobs.redis_server import free_port


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMNI_REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OMNI_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "jobs.csv"
    path.write_text("colour,width,height\nred,1024,1024\nblue,512,512\nblue,512,512\ngreen,no,512\n")
    return path


def run(*arguments: str | Path) -> Result:
    common = ["--model", "m", "--set", "prompt=a {colour} fox", "--set", "parameters.num_inference_steps=10"]
    return CliRunner().invoke(main, ["bulk", *map(str, arguments), *common])


def test_expand_counts_estimates_and_shows_the_first_lines(manifest: Path) -> None:
    done = run("expand", manifest, "--first", "1", "--json")
    assert done.exit_code == 0, done.output
    first, total = map(json.loads, done.stdout.splitlines())
    assert first["job"]["prompt"] == "a red fox"
    assert (total["lines"], total["repeats"], total["models"]) == (3, 1, {"m": 3})
    assert total["device_seconds"] == pytest.approx(10 * 0.1 * (1.05 + 0.26 + 0.52), rel=0.2)
    assert total["size_bytes"] > 2**20
    assert "3 lines, 3 outputs, 1 repeats" in run("expand", manifest).stdout


def test_what_a_run_took_so_far_corrects_the_estimate() -> None:
    lines = [line_of(n, {"model": "m", "prompt": f"fox {n}", "output": {"format": "webp"}}) for n in range(10)]
    guess, known = Estimate(), Estimate()
    for number, line in enumerate(lines):
        output = Output("k", "0" * 64, 1000, 1, "image/webp")
        result = ended(line, Outcome.SUCCEEDED, outputs=(output,), device_seconds=0.25)
        guess.add(line, {})
        known.add(line, {}, result if number < 4 else None)
    assert (known.done, known.to_json()["device_seconds"], known.to_json()["size_bytes"]) == (4, 2.5, 10_000)
    assert guess.total.device_seconds > 10


def test_check_exits_with_2_if_a_line_is_bad(manifest: Path) -> None:
    good = run("check", manifest, "--form-only")
    assert (good.exit_code, good.stdout) == (0, "0 bad, 3 good, 1 repeats of earlier lines\n")
    with manifest.open("a") as file:
        file.write("a,b,c,d\n")
    bad = run("check", manifest, "--form-only", "--json")
    assert bad.exit_code == 2
    problem, total = map(json.loads, bad.stdout.splitlines())
    assert (problem["line"], problem["column"]) == (6, 4)
    assert total == {"good": 3, "bad": 1, "repeats": 1}


def test_check_needs_a_service_to_ask(manifest: Path) -> None:
    assert run("check", manifest).exit_code == 69
