"""The executor with several processes, over ranks that need no torch."""

from __future__ import annotations

from workers.executors.multiproc import MultiProcDiffusionExecutor


class LightExecutor(MultiProcDiffusionExecutor):
    """Its ranks start in a fraction of a second."""

    rank_module = "tests.executors.light_rank"
