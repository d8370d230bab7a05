"""Manifests in every form: what their lines come to, who they are, and what is said of bad ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from omni_jobs.bulk.checking import Checker
from omni_jobs.bulk.fetching import read_picture
from omni_jobs.bulk.manifest import BatchRequest, Entry, Line, Problem, Repeat, open_manifest, read_requests
from omni_jobs.errors import InvalidMedia, InvalidRequest, NotFound
from omni_jobs.media_check import check_picture
from omni_jobs.schemas import ModelCard
from omni_jobs.settings import Settings

ROOT = Path(__file__).parents[2]


def entries(path: Path, **defaults: Any) -> list[Entry]:
    return list(open_manifest(path, defaults).entries())


def lines(path: Path, **defaults: Any) -> list[Line]:
    found = entries(path, **defaults)
    assert all(isinstance(entry, Line) for entry in found), found
    return [entry for entry in found if isinstance(entry, Line)]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def json_lines(folder: Path, *jobs: Any, name: str = "jobs.jsonl") -> Path:
    return written(folder, name, "".join(json.dumps(job) + "\n" for job in jobs))


def test_a_line_of_json_is_a_native_job(tmp_path: Path) -> None:
    job = {"model": "m", "prompt": "a fox {not a placeholder}", "seed": 7, "parameters": {"width": 64}}
    (line,) = lines(json_lines(tmp_path, job))
    assert line.request.prompt == "a fox {not a placeholder}"
    assert (line.number, line.seed, line.request.parameters) == (1, 7, {"width": 64})


def test_who_a_line_is_hangs_on_what_it_draws_and_on_nothing_else(tmp_path: Path) -> None:
    base = {"model": "m", "prompt": "a fox"}
    same = [base, base | {"num_outputs": 1}, base | {"priority": 9, "tags": ["x"], "metadata": {"order": "1"}}]
    other = [
        base | {"prompt": "a wolf"},
        base | {"seed": 1},
        base | {"id": "a"},
        base | {"parameters": {"width": 64}},
    ]
    other.append(base | {"enhance_prompt": True})
    (only,) = {lines(json_lines(tmp_path, job))[0].id for job in same}
    ids = [line.id for line in lines(json_lines(tmp_path, *other))]
    assert len({only, *ids}) == 6
    moved = lines(json_lines(tmp_path, *reversed(other)))
    assert [line.id for line in moved] == ids[::-1]


def test_a_line_without_a_seed_has_the_same_one_every_time(tmp_path: Path) -> None:
    first, second = (lines(json_lines(tmp_path, {"model": "m", "prompt": "a fox"}))[0].seed for _ in range(2))
    assert first == second
    named = lines(json_lines(tmp_path, *({"model": "m", "prompt": "a fox", "id": str(n)} for n in range(3))))
    assert len({line.seed for line in named}) == 3


def test_a_repeated_line_is_told_and_a_name_is_given_once(tmp_path: Path) -> None:
    job = {"model": "m", "prompt": "a fox"}
    found = entries(json_lines(tmp_path, job, job, job | {"id": "a"}, {"model": "m", "prompt": "b", "id": "a"}))
    assert isinstance(found[1], Repeat)
    assert (found[1].number, found[1].first) == (2, 1)
    assert isinstance(found[3], Problem)
    assert (found[3].column, found[3].name) == ("id", "a")
    assert "line 3" in found[3].message


def test_columns_of_a_table_are_fields_parameters_or_placeholders(tmp_path: Path) -> None:
    table = "prompt,colour,seed,width,output.format,negative_prompt\n"
    table += '007,red,5,64,webp,\n"two, lines\nhere",blue,6,,,no\n'
    path = written(tmp_path, "jobs.csv", "\ufeff" + table)
    first, second = lines(path, model="m", prompt="{prompt} in {colour}")
    assert first.request.prompt == "007 in red"
    assert (first.seed, first.request.parameters, first.request.output.format) == (5, {"width": 64}, "webp")
    assert first.request.negative_prompt is None
    assert second.request.prompt == "two, lines\nhere in blue"
    assert (second.number, second.request.parameters, second.request.negative_prompt) == (3, {}, "no")


TEMPLATE = """
[job]
model = "m"
prompt = "a {colour} {shape}, {{really}}, take {take:03d}"
negative_prompt = "not {shape}"
parameters = { num_inference_steps = "{steps}" }

[matrix]
colour = ["red", "green"]
shape = ["circle", "star"]
take = { from = 8, to = 10, step = 2 }
seed = { from = 100, count = 2 }
guidance_scale = { from = 1, to = 2, step = 0.5 }

[[zip]]
steps = [4, 8]
width = [32, 64]
"""


def test_a_template_makes_every_combination(tmp_path: Path) -> None:
    manifest = open_manifest(written(tmp_path, "jobs.toml", TEMPLATE))
    found = [entry for entry in manifest.entries() if isinstance(entry, Line)]
    assert manifest.count() == len(found) == len({line.id for line in found}) == 2 * 2 * 2 * 2 * 2 * 3
    first, last = found[0].request, found[-1].request
    assert first.prompt == "a red circle, {really}, take 008"
    assert first.negative_prompt == "not circle"
    assert first.parameters == {"num_inference_steps": 4, "width": 32, "guidance_scale": 1}
    assert (last.prompt, last.seed) == ("a green star, {really}, take 010", 101)
    assert last.parameters == {"num_inference_steps": 8, "width": 64, "guidance_scale": 2}
    assert [line.number for line in found] == list(range(1, len(found) + 1))


def test_a_template_takes_rows_and_values_from_files(tmp_path: Path) -> None:
    written(tmp_path, "animals.csv", "animal,home\nfox,a den\nowl,\n")
    written(tmp_path, "times.txt", "noon\n\nnight\n")
    text = """rows = "animals.csv"
[job]
model = "m"
prompt = "a {animal} in {home} at {time}"
[matrix]
time = { file = "times.txt" }
"""
    found = lines(written(tmp_path, "jobs.toml", text))
    assert [line.request.prompt for line in found] == [
        "a fox in a den at noon",
        "a fox in a den at night",
        "a owl in  at noon",
        "a owl in  at night",
    ]


def test_pictures_are_known_by_their_bytes(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    text = '[job]\nmodel="m"\ntask="edit"\nprompt="x"\nimages=["{file}"]\n[matrix]\nfile={glob="*.png"}\n'
    found = entries(written(tmp_path, "jobs.toml", text))
    assert isinstance(found[2], Repeat), "c.png has the bytes of a.png"
    edit = {"model": "m", "task": "edit", "prompt": "x"}
    one, all_three, stored = lines(
        json_lines(
            tmp_path, edit | {"images": "a.png"}, edit | {"images": ["?.png"]}, edit | {"images": ["s3://b/k.png"]}
        )
    )
    assert isinstance(found[0], Line)
    assert one.id == found[0].id
    assert [Path(place).name for place in one.pictures.values()] == ["a.png"]
    assert len(all_three.request.images) == 2
    assert list(stored.pictures.values()) == ["s3://b/k.png"]
    Image.new("RGB", (8, 8), "green").save(tmp_path / "a.png")
    assert lines(json_lines(tmp_path, edit | {"images": "a.png"}))[0].id != one.id


def test_pictures_of_the_web_are_taken_only_where_that_is_allowed(tmp_path: Path) -> None:
    edit = {"model": "m", "task": "edit", "prompt": "x", "images": "https://example.com/a.png"}
    (line,) = lines(json_lines(tmp_path, edit))
    (place,) = line.pictures.values()
    with pytest.raises(InvalidMedia, match="OMNI_FETCH_URLS"):
        read_picture(place, Settings())
    with pytest.raises(InvalidRequest):
        read_picture("http://127.0.0.1:1/a.png", Settings(fetch_urls="*"))
    assert isinstance(entries(json_lines(tmp_path, edit | {"images": "ftp://x/a.png"}))[0], Problem)


def test_an_openai_batch_is_read(tmp_path: Path) -> None:
    def row(name: str, body: dict[str, Any], url: str = "/v1/images/generations") -> dict[str, Any]:
        return {"custom_id": name, "method": "POST", "url": url, "body": body}

    body = {"model": "m", "prompt": "a fox", "n": 2, "size": "64x32", "output_format": "webp", "seed": 3}
    edit = {"model": "m", "prompt": "x", "images": [{"file_id": "upl_1"}], "size": "auto"}
    found = entries(
        json_lines(
            tmp_path,
            row("a", body | {"num_inference_steps": 4, "user": "u"}),
            row("b", edit, "/v1/images/edits"),
            row("a", {"model": "m", "prompt": "again"}),
            row("c", {"model": "m", "prompt": "x", "size": "big"}),
            row("d", {"model": "m", "prompt": "x"}, "/v1/chat/completions"),
            {"custom_id": "e"},
        )
    )
    first, second = found[:2]
    assert isinstance(first, Line)
    assert isinstance(second, Line)
    assert (first.name, first.request.num_outputs, first.request.output.format) == ("a", 2, "webp")
    assert first.request.parameters == {"width": 64, "height": 32, "num_inference_steps": 4}
    assert (second.request.task, second.request.images) == ("edit", ("upl_1",))
    bad = [(entry.number, entry.column) for entry in found[2:] if isinstance(entry, Problem)]
    assert bad == [(3, "id"), (4, "size"), (5, "url"), (6, "body")]


def test_the_frame_of_a_batchs_lines_is_checked_line_by_line(tmp_path: Path) -> None:
    good = {"custom_id": "a", "method": "POST", "url": "/v1/images/generations", "body": {"any": "thing"}}
    wrong: list[dict[str, Any]] = [
        {"url": "/v1/videos"},
        {"method": "GET"},
        {"body": []},
        {"custom_id": 7},
        {"custom_id": "a"},
        {"x": 1},
    ]
    path = json_lines(
        tmp_path, good, *({**good, "custom_id": f"b{n}", **one} for n, one in enumerate(wrong)), good
    )
    found = list(read_requests(path, "/v1/images/generations", most=7))
    assert isinstance(found[0], BatchRequest)
    assert (found[0].custom_id, found[0].body) == ("a", {"any": "thing"})
    problems = [(one.number, one.column, one.code) for one in found[1:] if isinstance(one, Problem)]
    assert problems == [
        (2, "url", "invalid_request"),
        (3, "method", "invalid_request"),
        (4, "body", "invalid_request"),
        (5, "custom_id", "invalid_request"),
        (6, "custom_id", "duplicate_custom_id"),
        (7, "x", "invalid_request"),
        (8, None, "too_many_tasks"),
    ]


CARD = ModelCard(
    name="m",
    tasks=("generate",),
    pipeline="P",
    parameters_schema={"type": "object", "properties": {"width": {"type": "integer", "maximum": 64}}},
)


def test_every_bad_line_is_reported_with_its_column(tmp_path: Path) -> None:
    good = {"model": "m", "prompt": "a fox"}
    path = json_lines(
        tmp_path,
        good,
        good | {"promt": "a fox"},
        {"model": "m"},
        good | {"parameters": {"width": 100}},
        good | {"model": "n"},
        good | {"images": ["no.png"], "task": "edit"},
        good | {"parameters": {"colour": 1}},
        [1],
        good | {"seed": -1},
        good | {"idempotency_key": "k"},
        good | {"id": ""},
        good | {"enhance_prompt": True},
    )
    with path.open("a") as file:
        file.write('\n{"model": "m" "prompt"}\n{"model": "m", "prompt": NaN}\n')
    found = list(Checker({"m": CARD}).entries(entries(path)))
    told = {entry.number: (entry.column, entry.message) for entry in found if isinstance(entry, Problem)}
    columns = {number: column for number, (column, _) in told.items()}
    assert columns == {
        2: "promt",
        3: "prompt",
        4: "parameters.width",
        5: "model",
        6: "images",
        7: "parameters.colour",
        8: 1,
        9: "seed",
        10: "idempotency_key",
        11: "id",
        12: "enhance_prompt",
        14: 15,
        15: None,
    }
    assert "Did you mean `prompt`?" in told[2][1]
    assert "NaN" in told[15][1]


def test_a_broken_picture_is_found_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    edit = {"model": "m", "task": "edit", "prompt": "x", "images": "broken.png"}
    (problem,) = open_manifest(json_lines(tmp_path, edit)).entries(check_picture)
    assert isinstance(problem, Problem)
    assert problem.code == "invalid_media"


BAD_TABLES = ("a,b\n1,2,3\nprompt,x\n", 'a,b\n"broken\n')


@pytest.mark.parametrize("text", BAD_TABLES)
def test_a_bad_row_of_a_table_is_a_problem(tmp_path: Path, text: str) -> None:
    assert isinstance(entries(written(tmp_path, "jobs.csv", text), model="m", prompt="{a}")[0], Problem)


WRONG = [
    ("jobs.csv", "a,a\n1,2\n", "twice"),
    ("jobs.csv", "", "without name"),
    ("jobs.toml", "[jobs]\n", "Did you mean `job`"),
    ("jobs.toml", "[job]\nprompt = 'a {'\n", "brace"),
    ("jobs.toml", "[job]\nprompt = '{0!r} {}'\n", "no placeholder"),
    ("jobs.toml", "[matrix]\na = {from = 1}\n", "`to` or `count`"),
    ("jobs.toml", "[matrix]\na = {first = 1}\n", "means no values"),
    ("jobs.toml", "[matrix]\na = []\n", "no values"),
    ("jobs.toml", "[matrix]\na = [1]\n[[zip]]\na = [1]\n", "given twice"),
    ("jobs.toml", "[[zip]]\na = [1]\nb = [1, 2]\n", "equally long"),
    ("jobs.toml", "not toml", "jobs.toml"),
    ("jobs.csv", b"a,b\n\xff,1\n", "not UTF-8"),
]


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidRequest, match=words):
        entries(path)


def test_a_placeholder_without_a_value_is_the_lines_own_problem(tmp_path: Path) -> None:
    path = written(tmp_path, "jobs.toml", "[job]\nmodel='m'\nprompt='{colur}'\n[matrix]\ncolour=['red']\n")
    (problem,) = entries(path)
    assert isinstance(problem, Problem)
    assert problem.column == "prompt"
    assert "Did you mean `colour`?" in problem.message


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no manifest"):
        open_manifest(tmp_path / "none.jsonl")


PROBE = """
import resource, sys
from pathlib import Path
from omni_jobs.bulk.manifest import open_manifest
print(sum(1 for _ in open_manifest(Path(sys.argv[1])).entries()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_manifest(tmp_path: Path) -> None:
    """A line is about 600 bytes as an object: ten times as many, if kept, would be seen at once."""
    peaks = []
    for count in (2_000, 20_000):
        path = written(
            tmp_path, f"{count}.toml", f"[job]\nmodel='m'\nprompt='fox {{n}}'\n[matrix]\nn={{from=1,to={count}}}\n"
        )
        command = [sys.executable, "-c", PROBE, str(path)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True, text=True)
        told, peak = map(int, done.stdout.split())
        assert told == count
        peaks.append(peak)
    assert peaks[1] <= 1.1 * peaks[0], peaks
