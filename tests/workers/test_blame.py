"""Who may have killed the engine process: the poison job is found by halves, and nobody else pays."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_jobs.schemas import Status
from omni_jobs.store import Claim
from tests.workers.test_slots import claim
from workers.blame import ALONE_CRASHES, CRASHES, blamed
from workers.engine_process import EngineLost
from workers.engine_process.losses import cause_of, losses
from workers.engine_process.state import Pending, Position
from workers.outcomes import ending_of


@dataclass
class Pool:
    """One worker: suspects run by company, those that crashed least first; the batch is all that run."""

    poison: frozenset[str]
    waiting: dict[str, Claim]
    crashes: int = 0

    def run(self) -> dict[str, Status]:
        """Until nothing waits; how each job ended."""
        ended: dict[str, Status] = {}
        while self.waiting:
            for job, end in self.turn().items():
                if end is Status.QUEUED:
                    continue
                ended[job] = end
                del self.waiting[job]
        return ended

    def turn(self) -> dict[str, Status]:
        companies = defaultdict(list)
        for job in self.waiting.values():
            companies[job.crashes, job.company or ""].append(job.job_id)
        batch = companies[min(companies)]
        if self.poison.isdisjoint(batch):
            return dict.fromkeys(batch, Status.SUCCEEDED)
        self.crashes += 1
        return {job: self.crash(job, batch) for job in batch}

    def crash(self, job: str, batch: list[str]) -> Status:
        held = self.waiting[job]
        held = replace(held, spent=held.spent + 1, attempt=held.attempt + 1)
        ending = ending_of(EngineLost(batch, "died"), held, worker="w", is_draining=False)
        company, alone_crashes = ending.suspicion or (None, 0)
        assert company != held.company or len(batch) == 1, "companies shrink"
        self.waiting[job] = replace(
            held,
            crashes=held.crashes + 1,
            company=company,
            alone_crashes=alone_crashes,
            spent=held.spent - (not ending.count_attempt),
        )
        if ending.status is Status.FAILED:
            assert ending.error is not None
            assert ending.error.code == "poisoned"
        return ending.status


@given(size=st.integers(1, 64), culprits=st.sets(st.integers(0, 63), max_size=4), attempts=st.integers(1, 6))
def test_only_poison_fails_and_is_found_by_halves(size: int, culprits: set[int], attempts: int) -> None:
    poison = frozenset(f"job_{number}" for number in culprits if number < size)
    jobs = {
        name: replace(claim(), job_id=name, spent=0, max_attempts=attempts)
        for name in (f"job_{number}" for number in range(size))
    }
    pool = Pool(poison, jobs)
    ended = pool.run()
    assert {job for job, end in ended.items() if end is Status.FAILED} == poison
    assert len(ended) == size
    each = max(CRASHES, math.ceil(math.log2(size)) + ALONE_CRASHES)
    assert pool.crashes <= each * len(poison)


def test_every_member_of_a_batch_decides_alike() -> None:
    batch = [f"job_{number}" for number in range(5)]
    companies = defaultdict(list)
    for job in batch:
        companies[blamed(job, batch[::-1]).company].append(job)
    assert sorted(map(len, companies.values())) == [2, 3]
    assert blamed("job_1", ["job_1", "job_1"]).was_alone


@pytest.mark.parametrize(
    ("status", "hung", "words"),
    [
        (-11, False, "was killed by SIGSEGV"),
        (4, False, "ended because its device was lost"),
        (-9, True, "was ended because a call took too long"),
        (1, False, "ended with status 1"),
    ],
)
def test_what_is_known_of_the_crash_is_told(status: int, hung: bool, words: str) -> None:
    pending = {
        "job_1.1.0": pended(Position("denoise", 3, 20)),
        "job_1.1.1": pended(None),
        "job_2.1.0": pended(None),
    }
    found = losses(pending, ["job_1.1.0"], cause_of(status, hung=hung))
    assert str(found["job_1.1.0"]) == f"the engine process {words} in denoise, after step 3 of 20"
    assert found["job_1.1.1"].blamed, "its other output was in the batch: the job counts it, whichever fails first"
    assert not found["job_2.1.0"].blamed


def pended(position: Position | None) -> Pending:
    return Pending(request=None, future=None, position=position)  # type: ignore[arg-type]
