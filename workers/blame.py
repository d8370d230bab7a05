"""Who may have killed the engine process, and with whom each suspect runs next. Pure; `outcomes.py` asks.

The jobs of the batch that died are put into halves, which run with nobody else, until each suspect runs alone.
Among n jobs the one that kills it is found in about log2(n) crashes, and only a crash alone spends an attempt.
Every slot decides for its own job, and all of them alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

#: A job is poison once it crashed so often in all, and so often alone, where the machine's own fault may hit it.
CRASHES, ALONE_CRASHES = 3, 2


@dataclass(frozen=True)
class Blame:
    """Jobs of one `company` may run together, in a worker that runs nothing else."""

    company: str
    was_alone: bool


def blamed(job_id: str, batch: Collection[str]) -> Blame:
    """The company of one job, after these jobs were in the batch that died."""
    jobs = sorted(set(batch))
    if len(jobs) == 1:
        return Blame(job_id, was_alone=True)
    middle = (len(jobs) + 1) // 2
    half = jobs[:middle] if job_id in jobs[:middle] else jobs[middle:]
    return Blame(_name(half), was_alone=False)


def is_poison(crashes: int, alone_crashes: int) -> bool:
    """Whether a job that crashed so often, and so often alone, is run no more."""
    return crashes >= CRASHES and alone_crashes >= ALONE_CRASHES


def _name(jobs: list[str]) -> str:
    return jobs[0] if len(jobs) == 1 else hashlib.sha256(" ".join(jobs).encode()).hexdigest()[:16]
