"""How far a job is, over all its outputs."""

from __future__ import annotations

from omni_jobs.schemas import Phase
from workers.engine_process import Position
from workers.progress import Share, Start, progress_of


def test_a_job_is_as_far_as_the_mean_of_its_outputs_and_in_the_phase_of_the_last() -> None:
    shares = [Share(Position("decode", 10, 10), False), Share(Position("denoise", 5, 10), False)]
    progress = progress_of(shares, Start(10.0), 13.0)
    assert (progress.phase, progress.step, progress.steps, progress.index) == (Phase.DENOISE, 5, 10, 1)
    assert progress.percent == 75.0
    assert progress.eta_seconds == 1.0


def test_nothing_is_promised_before_the_first_step() -> None:
    shares = [Share(None, False)]
    progress = progress_of(shares, Start.seen(shares, 1.0), 2.0)
    assert (progress.phase, progress.percent, progress.eta_seconds) == (Phase.ENCODE, 0.0, None)


def test_all_rendered_means_uploading() -> None:
    assert progress_of([Share(None, True)], None, 1.0).phase is Phase.UPLOAD


def test_a_resumed_job_promises_no_more_than_it_has_shown() -> None:
    """Eight of ten steps were there when it began; one took two seconds."""
    start = Start.seen([Share(Position("denoise", 8, 10), False)], 1.0)
    progress = progress_of([Share(Position("denoise", 9, 10), False)], start, 3.0)
    assert progress.eta_seconds == 2.0
