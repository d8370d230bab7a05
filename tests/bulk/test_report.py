"""The page of a run, and what is gathered for it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from omni_jobs.bulk.destination import Folder
from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest import line_of
from omni_jobs.bulk.report import write_report
from omni_jobs.bulk.results import Outcome, Output, Result, ended
from omni_jobs.bulk.summary import SAMPLE_OUTPUTS, speeds, summary_of

STATUS = {"state": "finished", "updated_at": "2026-01-01T00:00:00Z"}


def row(number: int, status: Outcome = Outcome.SUCCEEDED, error: str | None = None) -> Result:
    line = line_of(number, {"model": "m", "prompt": f"<fox> {number}"})
    outputs = (Output(f"m/{line.id}_0.png", "0" * 64, 10, line.seed, "image/png", 8, 8),)
    told = {"code": "execution_failed", "message": error} if error else None
    return ended(line, status, outputs=() if error else outputs, error=told)


def test_errors_are_grouped_by_cause_whatever_their_details() -> None:
    failures = [row(number, Outcome.FAILED, f"`{number}` is <bad> at 0x{number}") for number in range(30)]
    summary = summary_of([row(100), *failures, row(101, Outcome.FAILED, "other")])
    assert [cause.count for cause in summary.causes.values()] == [30, 1]
    assert summary.outcomes == {Outcome.SUCCEEDED: 1, Outcome.FAILED: 31}


@pytest.mark.parametrize("count", [1, SAMPLE_OUTPUTS, 10 * SAMPLE_OUTPUTS + 7])
def test_the_sample_is_bounded_and_even(count: int) -> None:
    lines = [shown.line for shown in summary_of(map(row, range(count))).sample]
    assert min(count, SAMPLE_OUTPUTS) <= len(lines) < 2 * SAMPLE_OUTPUTS
    gaps = {after - before for before, after in pairwise(lines)}
    assert len(gaps) <= 1


def test_speed_over_time() -> None:
    assert speeds(Counter(), 10) == []
    assert speeds(Counter({100: 4}), 10) == [4]
    assert speeds(Counter({100 + second: 3 for second in range(200)}), 10) == [pytest.approx(3)] * 10


def test_the_page_shows_outputs_and_escapes_words(tmp_path: Path) -> None:
    out = Folder(tmp_path / "out")
    rows = [row(number) for number in range(60)]
    for one in rows[1:]:
        (out.path / "m").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 8), "red").save(out.path / one.outputs[0].key)
    failed = [row(99, Outcome.FAILED, "<script>")]
    assert write_report(out, summary_of([*rows, *failed]), STATUS) == "report.html"
    page = (out.path / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    links = re.findall(r'href="([^"]+)"', page)
    assert links == [one.outputs[0].key for one in rows]
    with Image.open(out.path / "report" / "sheet-001.jpg") as sheet:
        red, green, _ = sheet.convert("RGB").getpixel((3 * 116 + 56, 56))
        assert red > 200
        assert green < 60
    assert len(re.findall("<img", page)) == 2


def test_what_was_said_of_a_mended_line_is_not_shown(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "results.jsonl")
    journal.append(Result(5, "bad", Outcome.INVALID, error={"code": "x", "message": "y"}))
    journal.append(Result(6, "bad too", Outcome.INVALID, error={"code": "x", "message": "y"}))
    journal.append(row(5))
    assert [(one.line, one.status) for one in journal.results()] == [(6, Outcome.INVALID), (5, Outcome.SUCCEEDED)]
    journal.close()
