"""The executor over Ray, with ranks that need no torch."""

from __future__ import annotations

from workers.executors.ray_group import RayDiffusionExecutor


class LightRayExecutor(RayDiffusionExecutor):
    """Its actors load in no time."""

    make_worker = "tests.executors.light_rank.LightWorker"
