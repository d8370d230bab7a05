"""The page about the command line says what the command line says."""

from __future__ import annotations

from pathlib import Path

from omni_jobs import errors
from omni_jobs.cli.exits import EXITS, exit_status
from omni_jobs.cli.reference import reference


def test_the_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert page.read_text() == reference(), "run: python -m omni_jobs.cli.reference > docs/cli.md"


def test_every_error_has_a_status_and_its_nearest_row_wins() -> None:
    assert exit_status(errors.UnknownModel("x")) == EXITS[errors.InvalidRequest][0]
    assert exit_status(errors.QueueFull("x")) == EXITS[errors.Unavailable][0]
    assert exit_status(errors.Poisoned("x")) == EXITS[errors.OmniJobsError][0]
    assert len({status for status, _ in EXITS.values()}) == len(EXITS)
