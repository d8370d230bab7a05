"""The demo's figures come from the jobs' records, and each broken promise fails it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from omni_jobs.demo.comparing import Comparison
from omni_jobs.demo.contact_sheet import contact_sheet
from omni_jobs.demo.drawing import Drawn
from omni_jobs.demo.page import page
from omni_jobs.demo.receiver import Receiver
from omni_jobs.demo.report import Report, make_report
from tests.demo.conftest import JOBS


def told(drawn: Sequence[Drawn]) -> Receiver:
    """A receiver to which every end was told."""
    receiver = Receiver()
    receiver.messages = {
        f"evt_{one.job.id}": {"type": "job.succeeded", "data": {"job_id": one.job.id}} for one in drawn
    }
    return receiver


@pytest.fixture
def report(drawn: list[Drawn], comparison: Comparison) -> Report:
    return make_report(drawn, told(drawn), comparison, "local")


def failed(report: Report) -> list[int]:
    """Places of the checks that failed."""
    return [place for place, check in enumerate(report.checks()) if not check.ok]


def test_figures_are_those_of_the_records(report: Report, drawn: list[Drawn]) -> None:
    assert (report.jobs, report.generations, report.edits) == (JOBS, 24, 8)
    assert report.calls_per_forward == 4
    assert (report.seconds, report.images_per_second) == (20, JOBS / 20)
    assert failed(report) == []
    told = report.to_json(drawn)
    assert told["passed"]
    assert [picture["task"] for picture in told["pictures"]] == ["generate"] * 24 + ["edit"] * 8


def test_each_broken_promise_fails(report: Report, drawn: list[Drawn]) -> None:
    found = report.comparison
    assert failed(replace(report, calls_per_forward=2.99)) == [0]
    assert failed(replace(report, comparison=replace(found, latents=1.1e-4))) == [1]
    assert failed(replace(report, comparison=replace(found, pixels=2 / 255))) == [2]
    assert failed(replace(report, ends_told=JOBS - 1)) == failed(replace(report, webhooks_refused=1)) == [3]
    assert not replace(report, calls_per_forward=2.99).to_json(drawn)["passed"]


def test_a_wrong_picture_is_shown_as_wrong_but_is_no_broken_promise(report: Report, drawn: list[Drawn]) -> None:
    right = (False, *report.comparison.right[1:])
    told = replace(report, comparison=replace(report.comparison, right=right))
    assert failed(told) == []
    assert page(drawn, told).count("not what was asked") == 1


def test_the_page_fetches_nothing_and_shows_every_picture(report: Report, drawn: list[Drawn]) -> None:
    html = page(drawn, report)
    assert "http" not in html
    assert html.count('src="data:image/png;base64,') == JOBS + 8
    assert all(one.order.prompt in html for one in drawn)


def test_the_sheet_has_a_tile_for_each_and_one_for_what_was_changed(drawn: list[Drawn], tmp_path: Path) -> None:
    contact_sheet(drawn).save(tmp_path / "sheet.png")
    assert contact_sheet(drawn).size == (1150, 954)
