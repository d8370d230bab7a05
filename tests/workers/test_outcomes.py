"""What becomes of a job when its attempt ends: the table, row by row."""

from __future__ import annotations

import pytest

from omni_jobs.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    ExecutionFailed,
    InvalidMedia,
    StorageUnavailable,
)
from omni_jobs.schemas import Status
from tests.workers.test_slots import claim
from workers.engine_process import EngineLost, RequestDropped
from workers.outcomes import ending_of


@pytest.mark.parametrize(
    ("error", "draining", "status", "counts", "crashed", "code"),
    [
        (RequestDropped(), True, Status.QUEUED, False, False, None),
        (EngineLost(), False, Status.QUEUED, False, False, None),
        (EngineLost(["job_1"]), False, Status.QUEUED, True, True, "engine_unavailable"),
        (EngineLost(["job_1", "job_2"]), False, Status.QUEUED, False, True, "engine_unavailable"),
        (EngineLost(["job_1"]), True, Status.QUEUED, False, False, None),
        (EngineUnavailable("not ready"), False, Status.QUEUED, False, False, None),
        (StorageUnavailable("down"), False, Status.QUEUED, True, False, "storage_unavailable"),
        (StorageUnavailable("down"), True, Status.QUEUED, False, False, None),
        (ExecutionFailed("raised"), False, Status.FAILED, True, False, "execution_failed"),
        (DeadlineExceeded("late"), False, Status.FAILED, True, False, "deadline_exceeded"),
        (InvalidMedia("broken"), True, Status.FAILED, True, False, "invalid_media"),
        (KeyError("ours"), False, Status.FAILED, True, False, "internal_error"),
    ],
)
def test_every_row(
    error: Exception, draining: bool, status: Status, counts: bool, crashed: bool, code: str | None
) -> None:
    ending = ending_of(error, claim(), worker="w", is_draining=draining)
    assert (ending.status, ending.count_attempt, ending.crashed) == (status, counts, crashed)
    assert (ending.error and ending.error.code) == code
    assert ending.is_unexpected == isinstance(error, KeyError)
