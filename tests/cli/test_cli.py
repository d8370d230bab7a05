"""The command line against a real service: what a person and a script see, and how every refusal exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run


def test_eight_prompts_are_eight_jobs_that_share_forwards(omni: Run, tmp_path: Path) -> None:
    prompts = [f"fox {n}" for n in range(8)]
    done = omni("submit", "--json", "--steps", "10", "--save", str(tmp_path), *prompts)
    assert done.returncode == 0, done.stderr
    jobs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [job["request"]["prompt"] for job in jobs] == prompts
    assert sum(job["sharing"]["forwards"] for job in jobs) < sum(job["sharing"]["calls"] for job in jobs)
    assert len(list(tmp_path.glob("*.png"))) == 8


def test_a_job_is_submitted_watched_and_shown(omni: Run) -> None:
    job = omni("submit", "a fox", "--no-wait", "--seed", "7", "--tag", "x", "-p", "width=32").stdout.strip()
    assert omni("watch", job).returncode == 0
    shown = json.loads(omni("get", job, "--json").stdout)
    assert shown["status"] == "succeeded"
    assert shown["artifacts"][0]["width"] == 32
    assert "succeeded" in omni("get", job).stdout
    listed = json.loads(omni("list", "--json", "--tag", "x").stdout)
    assert [one["id"] for one in listed["jobs"]] == [job]
    again = omni("retry", job).stdout.strip()
    assert json.loads(omni("get", again, "--json").stdout)["retry_of"] == job


def test_an_edit_uploads_its_picture(omni: Run, tmp_path: Path) -> None:
    picture = tmp_path / "in.png"
    Image.new("RGB", (16, 16), "red").save(picture)
    done = omni("edit", "make it blue", "--image", str(picture), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["request"]["images"][0].startswith("upl_")


def test_further_pictures_go_in_by_name(omni: Run, tmp_path: Path) -> None:
    picture = tmp_path / "edges.png"
    Image.new("RGB", (16, 16), "red").save(picture)
    refused = omni("submit", "a fox", "--control-image", str(picture), "--input", f"last_image={picture}")
    assert refused.returncode == 2
    assert "is not an input of model `sim`. It takes none." in refused.stderr
    assert "write NAME=FILE" in omni("submit", "a fox", "--input", str(picture)).stderr


def test_an_adapter_is_given_by_name_and_scale(omni: Run) -> None:
    refused = omni("submit", "a fox", "--lora", "style:0.5")
    assert refused.returncode == 2
    assert "`parameters.loras` is not a parameter of model `sim`" in refused.stderr
    assert "write NAME or NAME:SCALE" in omni("submit", "a fox", "--lora", "style:much").stderr


def test_a_canceled_job_exits_with_its_own_status(omni: Run) -> None:
    job = omni("submit", "slow", "--no-wait", "--steps", "200", "--outputs", "8").stdout.strip()
    assert "canceled" in omni("cancel", job).stdout
    assert omni("watch", job).returncode == 4
    assert omni("cancel", job).returncode == 0, "twice is once"


def test_a_failed_job_says_why(omni: Run) -> None:
    done = omni("submit", "fail please")
    assert done.returncode == 4
    assert "execution_failed: The simulated pipeline raised as asked." in done.stdout


def test_jobs_come_from_a_file_one_per_line(omni: Run) -> None:
    lines = "\n".join(json.dumps({"prompt": f"fox {n}", "seed": n}) for n in range(3))
    done = omni("submit", "--file", "-", "--json", text=lines)
    assert [json.loads(line)["seed"] for line in done.stdout.splitlines()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["submit", "x", "--model", "simm"], 2, "Did you mean `sim`"),
        (["submit", "x", "--width", "999999"], 2, "greater than the maximum"),
        (["submit", "x", "--width", "8192", "--height", "8192"], 2, "pixels"),
        (["submit", "x", "--steps", "100000"], 2, "greater than the maximum of 200"),
        (["submit", "x", "-p", "guidence_scale=2"], 2, "Did you mean `guidance_scale`"),
        (["submit", "x", "--seed", "-1"], 2, "seed"),
        (["submit", "  "], 2, "prompt"),
        (["submit"], 2, "Give a prompt"),
        (["edit", "x", "--image", "missing.png"], 2, "cannot be read"),
        (["get", "job_0"], 3, "There is no job"),
        (["retry", "job_0"], 3, "There is no job"),
        (["watch", "job_0"], 3, "There is no job"),
    ],
)
def test_bad_input_is_refused_by_name_and_nothing_is_enqueued(
    omni: Run, arguments: list[str], status: int, words: str
) -> None:
    before = omni("list", "--json", "--limit", "1000").stdout
    done = omni(*arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert omni("list", "--json", "--limit", "1000").stdout == before


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_broken_picture_is_refused_at_the_door(omni: Run, tmp_path: Path, content: bytes) -> None:
    picture = tmp_path / "in.png"
    picture.write_bytes(content)
    assert omni("edit", "x", "--image", str(picture)).returncode == 2


def test_malformed_json_names_the_line(omni: Run) -> None:
    done = omni("submit", "--file", "-", text='{"prompt": "a"}\n{"prompt": ')
    assert done.returncode == 2
    assert "line 2" in done.stderr


def test_errors_are_json_for_programs(omni: Run) -> None:
    error = json.loads(omni("submit", "x", "--model", "simm", "--json").stderr)["error"]
    assert (error["code"], error["field"]) == ("model_not_found", "model")


def test_the_catalogue_shows_parameters(omni: Run) -> None:
    assert "num_inference_steps" in omni("models", "sim").stdout
    assert json.loads(omni("models", "--json").stdout)[0]["name"] == "sim"
    assert omni("models", "nope").returncode == 2


def test_doctor_finds_a_running_service_well(omni: Run) -> None:
    done = omni("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["redis"]["state"] == findings["storage"]["state"] == "ok"
    assert any("sim ready" in finding["text"] for finding in findings.values())
    assert done.returncode == 0
