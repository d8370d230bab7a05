"""What requests end with when their engine process dies: who was in the batch, and how it died. Pure."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping

from workers.engine_process.errors import EngineLost
from workers.engine_process.respawning import DEVICE_LOST
from workers.engine_process.state import Pending, Position


def losses(pending: Mapping[str, Pending], batch: Collection[str], cause: str) -> dict[str, EngineLost]:
    """The end of each request. All of a job are blamed if one was in the batch: only so does a job count it."""
    jobs = tuple(sorted({job_of(one) for one in batch}))
    return {
        name: EngineLost(jobs, f"{cause} {place(one.position)}") if job_of(name) in jobs else EngineLost()
        for name, one in pending.items()
    }


def job_of(request_id: str) -> str:
    """The job that a request belongs to."""
    return request_id.partition(".")[0]


def cause_of(status: int, *, hung: bool) -> str:
    """The exit status of a process (negative: a signal) in words."""
    if hung:
        return "was ended because a call took too long"
    if status == DEVICE_LOST:
        return "ended because its device was lost"
    if status < 0:
        return f"was killed by {signal_name(-status)}"
    return f"ended with status {status}"


def signal_name(number: int) -> str:
    """SIGSEGV and the like, or the number of one that has no name."""
    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")


def place(position: Position | None) -> str:
    """Where a request stood."""
    if position is None:
        return "before its first step"
    return f"in {position.lane}, after step {position.step} of {position.steps}"
