"""Bulk runs through a service: every line once, whatever is killed, lost or started twice."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from omni_jobs.bulk.paths import EXTENSIONS
from omni_jobs.schemas import Status
from tests.bulk.conftest import Bulk, facts, finished, foxes, manifest, rows, until_rows
from tests.e2e.deployment import Deployment


def jobs_with(service: Deployment, words: str) -> int:
    """Jobs that the service ever had with these words in their prompt."""
    found, cursor = 0, None
    while True:
        page, cursor = service.store.list("default", limit=100, cursor=cursor)
        found += sum(words in job.request.prompt for job in page)
        if cursor is None:
            return found


def test_a_run_renders_every_line_once_and_the_next_one_what_is_missing_or_changed(
    service: Deployment, bulk: Bulk, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lines = [*foxes(20), {"prompt": "a den", "num_outputs": 2, "seed": 5, "output": {"format": "webp"}}]
    path = manifest(tmp_path, *lines, lines[0])
    told = finished(bulk("run", path, "--out", out))
    assert (told["state"], told["succeeded"], told["repeated"], told["outputs"]) == ("finished", 21, 1, 22)
    by_line = {row["line"]: row for row in rows(out)}
    assert by_line[22]["same_as"] == 1
    assert [one["seed"] for one in by_line[21]["outputs"]] == [5, 6]
    for row in rows(out):
        for output in row.get("outputs", []):
            assert (out / output["key"]).stat().st_size == output["size_bytes"]
            assert output["key"].endswith(EXTENSIONS[output["content_type"]])
    (out / by_line[3]["outputs"][0]["key"]).unlink()
    (out / by_line[4]["outputs"][0]["key"]).write_bytes(b"")
    before, done = jobs_with(service, "fox"), len(rows(out))
    manifest(tmp_path, *lines[1:], {"prompt": "a new fox"})
    again = finished(bulk("run", path, "--out", out))
    assert (again["succeeded"], again["before"]) == (21, 18)
    assert jobs_with(service, "fox") == before + 1, "what was rendered is brought again, not rendered again"
    assert len(rows(out)) == done + 1
    assert finished(bulk("run", path, "--out", out))["before"] == 21


def test_killed_three_times_it_ends_as_if_nothing_had_happened(
    service: Deployment, bulk: Bulk, tmp_path: Path
) -> None:
    path = manifest(tmp_path, *foxes(30, deterministic=True, negative_prompt="killed"))
    quiet, rough = tmp_path / "quiet", tmp_path / "rough"
    chance = random.Random(7)
    for _ in range(3):
        process = bulk("run", path, "--out", rough, "--in-flight", "8")
        until_rows(rough, (len(rows(rough)) if rough.exists() else 0) + chance.randint(1, 8))
        process.kill()
        process.wait()
    assert finished(bulk("run", path, "--out", rough))["left"] == 0
    assert jobs_with(service, "fox number") >= 30
    finished(bulk("run", path, "--out", quiet, "--priority", "1"))
    assert facts(rough) == facts(quiet), "another priority means other jobs, rendered anew"
    assert {row["job"] for row in rows(rough)}.isdisjoint(row["job"] for row in rows(quiet))


def test_bad_lines_and_poison_harm_nobody_else(bulk: Bulk, tmp_path: Path) -> None:
    good = foxes(94, negative_prompt="good")
    bad = [
        "{",
        '{"model": "sim"}',
        '{"model": "none", "prompt": "x"}',
        "[]",
        json.dumps({"model": "sim", "prompt": 1}),
    ]
    lines: list[dict[str, Any] | str] = [*good[:50], *bad, {"prompt": "poison"}, *good[50:]]
    out = tmp_path / "out"
    told = finished(bulk("run", manifest(tmp_path, *lines), "--out", out), status=4)
    assert (told["succeeded"], told["invalid"], told["failed"], told["left"]) == (94, 5, 1, 0)
    ended = {row["line"]: row for row in rows(out)}
    assert sorted(ended) == list(range(1, 101))
    succeeded = {number for number, row in ended.items() if row["status"] == "succeeded"}
    assert succeeded == {number for number, line in enumerate(lines, 1) if line in good}
    assert ended[56]["error"]["code"] == "poisoned"
    assert all(ended[number]["error"]["message"] for number in range(51, 57))


def test_two_runs_at_once_render_no_line_twice(service: Deployment, bulk: Bulk, tmp_path: Path) -> None:
    path = manifest(tmp_path, *({"prompt": f"a twin number {number}"} for number in range(40)))
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    processes = [bulk("run", path, "--out", place) for place in (out, out, elsewhere)]
    for process in processes:
        assert finished(process)["left"] == 0
    assert jobs_with(service, "a twin") == 40
    assert len(rows(out)) == 40
    assert facts(out) == facts(elsewhere)


def test_failed_lines_are_tried_again_on_demand(bulk: Bulk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = manifest(tmp_path, *foxes(3), {"prompt": "fail"})
    assert finished(bulk("run", path, "--out", out), status=4)["failed"] == 1
    (first,) = [row for row in rows(out) if row["status"] == "failed"]
    assert first["error"]["code"] == "execution_failed"
    assert finished(bulk("run", path, "--out", out), status=4)["before"] == 4
    assert finished(bulk("retry", out, "--failed"), status=4)["failed"] == 1
    second = rows(out)[-1]
    assert (second["generation"], second["line_id"]) == (1, first["line_id"])
    assert second["job"] != first["job"]


def test_canceled_it_keeps_what_is_done_and_goes_on_later(bulk: Bulk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    quick = foxes(10, negative_prompt="canceled")
    long = foxes(600, negative_prompt="canceled", parameters={"num_inference_steps": 200})
    path = manifest(tmp_path, *quick, *long)
    process = bulk("run", path, "--out", out, "--in-flight", "8")
    until_rows(out, 5)
    said = finished(bulk("cancel", out, "--json"))
    assert finished(process, status=4)["state"] == said["state"] == "canceled"
    kept = sum(row["status"] == "succeeded" for row in rows(out))
    assert 5 <= kept < 610, "long ones were still to come"
    assert finished(bulk("status", out, "--json"))["state"] == "canceled"
    ended = finished(bulk("run", manifest(tmp_path, *quick, *long[:2]), "--out", out))
    assert ended["succeeded"] == 12
    assert 1 <= ended["before"] <= kept


def test_the_jobs_of_a_run_that_died_are_called_off(service: Deployment, bulk: Bulk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = bulk(
        "run", manifest(tmp_path, {"prompt": "later", "not_before": "2099-01-01T00:00:00Z"}), "--out", out
    )
    status: dict[str, Any] = {}

    def jobs_are_told() -> bool:
        path = out / "status.json"
        status.update(json.loads(path.read_text()) if path.exists() else {})
        return bool(status.get("jobs"))

    service.until(jobs_are_told)
    process.kill()
    process.wait()
    (out / "status.json").write_text(json.dumps(status | {"updated_at": "2026-01-01T00:00:00Z"}))
    assert finished(bulk("cancel", out, "--json"))["state"] == "lost"
    (job_id,) = status["jobs"]
    assert service.store.get("default", job_id).status is Status.CANCELED


@pytest.mark.slow
def test_interrupted_it_stops_at_once_and_goes_on_later(bulk: Bulk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = manifest(tmp_path, *foxes(100, negative_prompt="interrupted"))
    process = bulk("run", path, "--out", out, "--in-flight", "8")
    until_rows(out, 5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert finished(bulk("status", out, "--json"))["state"] == "interrupted"
    assert finished(bulk("run", path, "--out", out))["succeeded"] == 100


def test_a_redis_that_goes_away_is_waited_for(service: Deployment, bulk: Bulk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = manifest(tmp_path, *foxes(60, negative_prompt="away"))
    process = bulk("run", path, "--out", out, "--in-flight", "8")
    until_rows(out, 5)
    service.restart_redis()
    assert finished(process)["succeeded"] == 60
    ids = [row["line_id"] for row in rows(out)]
    assert len(set(ids)) == len(ids) == 60


def test_edits_send_each_picture_once(service: Deployment, bulk: Bulk, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "blue.png")
    (tmp_path / "same.png").write_bytes((tmp_path / "red.png").read_bytes())
    template = tmp_path / "edits.toml"
    template.write_text(
        '[job]\nmodel="sim"\ntask="edit"\nprompt="make it {how}"\nimages=["{picture}"]\n'
        '[matrix]\npicture={glob="*.png"}\nhow=["brighter", "darker", "older"]\n'
    )
    out = tmp_path / "out"
    told = finished(bulk("run", template, "--out", out))
    assert (told["succeeded"], told["repeated"]) == (6, 3)
    uploads = {service.store.get("default", row["job"]).request.images for row in rows(out) if "job" in row}
    assert len(uploads) == 2
