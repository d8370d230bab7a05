"""A rank that an executor started: `python -m workers.executors.rank_process FD`. It ends with its executor."""

from __future__ import annotations

import sys

from workers.executors.joining import join
from workers.executors.worker_proc import Place, WorkerProc
from workers.worker_wrapper import WorkerWrapperBase


def joined_worker(place: Place) -> WorkerWrapperBase:
    """The worker of this place, in step with those of the other ranks."""
    lockstep = join(place.rank, place.ranks, place.local_rank, place.rendezvous, place.reply_seconds)
    worker = WorkerWrapperBase(place.local_rank, place.od_config, rank=place.rank, lockstep=lockstep)
    worker.seed_random(place.seed)
    return worker


if __name__ == "__main__":
    sys.exit(WorkerProc.worker_main(int(sys.argv[1]), joined_worker))
