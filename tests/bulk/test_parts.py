"""The pieces of a bulk run on their own: journal, plan, order, paths, speed, a bucket's parts."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from omni_jobs.bulk.destination import Folder
from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest import Line, line_of
from omni_jobs.bulk.order import ordered
from omni_jobs.bulk.parts import Parts
from omni_jobs.bulk.paths import PathTemplate
from omni_jobs.bulk.planning import todo_of
from omni_jobs.bulk.results import Outcome, Output, Result, ended
from omni_jobs.bulk.tally import Tally
from omni_jobs.bulk.workplace import Workplace
from omni_jobs.errors import InvalidRequest, Misconfigured

OUTPUT = Output("m/a_0.png", "0" * 64, 10, 7, "image/png")


def line(number: int = 1, **fields: Any) -> Line:
    return line_of(number, {"model": "m", "prompt": f"fox {number}", **fields})


def done(number: int, status: Outcome = Outcome.SUCCEEDED, **facts: Any) -> Result:
    return ended(line(number), status, **facts)


def test_a_journal_reads_back_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    journal = Journal(path)
    first = done(1, outputs=(OUTPUT,), timings={"render_seconds": 1.5})
    assert journal.append(first)
    assert not journal.append(done(1, outputs=(OUTPUT,))), "the same again is no news"
    assert journal.append(done(2, Outcome.FAILED, error={"code": "x", "message": "y"}))
    assert journal.append(done(2, generation=1))
    journal.close()
    reopened = Journal(path)
    assert reopened.find(first.line_id) == first
    assert reopened.find("nobody") is None
    assert reopened.counts() == {Outcome.SUCCEEDED: 2}
    assert [result.line for result in reopened.results()] == [1, 2]
    reopened.close()


@pytest.mark.parametrize("torn", [b'{"line": 3, "li', b"\xff\xfe", b"{"])
def test_a_row_that_a_killed_writer_left_half_written_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "results.jsonl"
    journal = Journal(path)
    journal.append(done(1))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    again = Journal(path)
    assert path.read_bytes() == whole
    again.append(done(2))
    again.close()
    assert [json.loads(row)["line"] for row in path.read_text().splitlines()] == [1, 2]


def test_rows_nobody_understands_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"line": 1}\nnot json\n[]\n')
    journal = Journal(path)
    journal.append(done(2))
    assert journal.counts() == {Outcome.SUCCEEDED: 1}
    journal.close()


def test_two_journals_on_one_file_see_each_others_rows(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "r.jsonl"), Journal(tmp_path / "r.jsonl")
    chance = random.Random(1)
    for number in range(200):
        chance.choice((one, other)).append(done(number))
        chance.choice((one, other)).append(done(number))
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 200
    one.append(done(0, generation=1))
    other.append(done(0, generation=1))
    found = other.find(line(0).id)
    assert found is not None
    assert found.generation == 1
    one.close()
    other.close()


PLANS = [
    (None, True, False, 0),
    (done(1), True, False, None),
    (done(1), False, False, 0),
    (done(1, generation=2), False, False, 2),
    (done(1, Outcome.FAILED), True, False, None),
    (done(1, Outcome.FAILED, generation=1), True, True, 2),
    (done(1, Outcome.INVALID), True, True, 1),
    (done(1, Outcome.CANCELED, generation=1), True, False, 1),
]


@pytest.mark.parametrize(("last", "is_whole", "again", "generation"), PLANS)
def test_what_is_left_to_do(last: Result | None, is_whole: bool, again: bool, generation: int | None) -> None:
    todo = todo_of(line(1), last, is_whole=is_whole, again=again)
    assert (None if todo is None else todo.generation) == generation


def test_like_lines_come_together_and_the_model_at_work_first() -> None:
    chance = random.Random(3)
    lines = [
        line(
            number, model=chance.choice("ab"), prompt=chance.choice("xyz"), parameters={"width": 64 * (number % 2)}
        )
        for number in range(200)
    ]
    found = ordered(lines, "b", {})
    keys = [(one.request.model, one.request.parameters["width"], one.request.prompt) for one in found]
    assert sorted(found, key=lambda one: one.number) == lines
    assert keys[0][0] == "b"
    assert sum(before != after for before, after in pairwise(keys)) == len(set(keys)) - 1


def test_paths_tell_outputs_apart_and_fit_every_store() -> None:
    one = line(7, model="owner/model name", id="../order 7/ü", seed=5)
    assert PathTemplate().key(one, 0, "png") == f"owner-model-name/{one.id}_0.png"
    assert PathTemplate("{line:05d}-{seed}/{index}.{ext}").key(one, 2, "jpg") == "00007-7/2.jpg"
    assert PathTemplate("/x/../{id}.{index}").key(one, 0, "png") == "x/..-order-7-.0"


@pytest.mark.parametrize(
    "text", ["{model}.{ext}", "{line_id}.{ext}", "{lin}_{index}", "{line!r", "{line.a}{index}"]
)
def test_a_path_that_cannot_serve_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        PathTemplate(text)


def test_speed_is_that_of_late() -> None:
    now = [0.0]
    tally = Tally(lambda: now[0])
    tally.total = 1000
    for second in range(200):
        now[0] = float(second)
        for _ in range(1 if second < 100 else 3):
            tally.add(done(1, outputs=(OUTPUT, OUTPUT)))
    assert tally.outputs_per_second == pytest.approx(6, rel=0.1)
    assert tally.left == 1000 - 400
    assert tally.eta_seconds == pytest.approx(200, rel=0.1)
    assert (tally.outputs, tally.size_bytes) == (800, 8000)


def test_an_exclusive_run_keeps_others_out_and_the_rest_may_join(tmp_path: Path) -> None:
    out = Folder(tmp_path / "out")
    first, second = (Workplace(out, tmp_path, exclusive=False) for _ in range(2))
    with pytest.raises(Misconfigured, match="Another run"):
        Workplace(out, tmp_path, exclusive=True)
    first.settle({"updated_at": ""})
    second.settle({"updated_at": ""})
    alone = Workplace(out, tmp_path, exclusive=True)
    with pytest.raises(Misconfigured, match="Another run"):
        Workplace(out, tmp_path, exclusive=False)
    alone.settle({"updated_at": ""})


def test_parts_bring_a_journal_from_one_machine_to_another(tmp_path: Path) -> None:
    """A folder stands for the bucket: to parts they are the same."""
    bucket = Folder(tmp_path / "bucket")
    here, there = tmp_path / "here" / "r.jsonl", tmp_path / "there" / "r.jsonl"
    for number, path in ((1, here), (2, there)):
        journal = Journal(path)
        parts = Parts(path, bucket)
        parts.take_in()
        journal.append(done(number))
        parts.publish()
        parts.publish()
        journal.append(done(number + 10))
        journal.close()
    # `there` was killed before it published its last row; its next run does.
    Parts(there, bucket).take_in()
    Parts(here, bucket).take_in()
    Parts(here, bucket).take_in()
    for path in (here, there):
        journal = Journal(path)
        lines = {result.line for result in journal.results()}
        journal.close()
        assert lines == ({1, 11, 2, 12} if path == here else {1, 2, 12})
    rows = b"".join(bucket.read(key) for key, _ in bucket.list("results/"))
    assert sorted(json.loads(row)["line"] for row in rows.splitlines()) == [1, 2, 11, 12]
