"""The arithmetic behind estimates, the text of metrics and events, and the secret that processes share."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_jobs.api import sse
from omni_jobs.api.estimates import Pace, estimate_seconds, pace_of, slots_for
from omni_jobs.api.readiness import model_states
from omni_jobs.errors import Misconfigured
from omni_jobs.metrics import render, sample, worker_samples
from omni_jobs.schemas import Job, JobRequest, Status
from omni_jobs.settings import Settings
from omni_jobs.signing_secret import signing_secret, webhook_secret
from tests.api.conftest import MODEL, card, live_worker
from tests.servers.processes import environment

NOW = live_worker().started_at


def finished(seconds: float, steps: int) -> Job:
    request = JobRequest(model=MODEL, prompt="x", parameters={"num_inference_steps": steps})
    facts = {"id": "job_1", "account": "default", "status": Status.SUCCEEDED, "seed": 1, "created_at": NOW}
    return Job.model_validate(
        facts | {"request": request, "started_at": NOW, "finished_at": NOW + timedelta(seconds=seconds)}
    )


@given(st.integers(0, 1000), st.integers(1, 64), st.floats(0.01, 100), st.floats(0.01, 100))
def test_nobody_is_done_before_those_in_front_of_them(place: int, slots: int, job: float, units: float) -> None:
    pace = Pace(seconds_per_unit=1.0, job_seconds=job)
    now, later = (estimate_seconds(position, slots, pace, units) for position in (place, place + 1))
    assert units <= now <= later
    assert estimate_seconds(place, slots * 2, pace, units) <= now


def test_a_pace_is_measured_by_work_and_a_longer_job_takes_longer() -> None:
    pace = pace_of([finished(2.0, 10), finished(4.0, 20)], card())
    assert pace is not None
    one, two = (estimate_seconds(0, 4, pace, units) for units in (0.1, 0.2))
    assert two == pytest.approx(2 * one)
    assert pace_of([], card()) is None


def test_only_slots_that_could_take_the_job_count() -> None:
    fleet = [live_worker(), live_worker(id="b", state="draining"), live_worker(id="c", models={MODEL: "loading"})]
    assert slots_for(MODEL, fleet) == 2
    assert model_states(fleet[1:], [MODEL, "other"]) == {MODEL: "loading", "other": "no live worker"}


def test_labels_are_escaped_and_unknown_families_refused() -> None:
    text = render([sample("omni_worker_jobs", 2, worker='a"b\\c\nd')])
    assert text.splitlines()[-1] == r'omni_worker_jobs{worker="a\"b\\c\nd"} 2'
    with pytest.raises(KeyError):
        render([sample("omni_unknown", 1)])


@given(st.text())
def test_no_text_of_a_caller_breaks_out_of_an_event(text: str) -> None:
    message = sse.message("job.queued", {"prompt": text}, 3)
    lines = message.split("\n")
    assert lines[:2] == ["id: 3", "event: job.queued"]
    assert lines[3:] == ["", ""]
    assert json.loads(lines[2].removeprefix("data: ")) == {"prompt": text}


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    probe = (
        "from omni_jobs.settings import load_settings; from omni_jobs.signing_secret import webhook_secret;"
        "print(webhook_secret(load_settings()))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", probe],
            env=environment({"data_dir": tmp_path}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    secrets = {process.communicate()[0] for process in running}
    assert len(secrets) == 1
    assert secrets.pop().startswith("whsec_")
    assert (tmp_path / "signing_secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["signing_secret"]


def test_a_short_secret_is_refused_and_a_webhook_secret_used_as_it_is() -> None:
    with pytest.raises(Misconfigured, match="at least 24"):
        signing_secret(Settings.model_validate({"signing_secret": "short"}))
    given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert webhook_secret(Settings.model_validate({"signing_secret": given})) == given


def test_a_worker_tells_what_it_proved_and_why_calls_ran_alone() -> None:
    merging = {"shapes": {"proofs": 4, "alone": {"nobody to share with": 2}}}
    text = render(worker_samples([live_worker(details={"merging": merging})]))
    assert 'omni_engine_proofs_total{worker="tester",model="shapes"} 4' in text
    assert 'model="shapes",reason="nobody to share with"} 2' in text
