"""The executor over Ray, with ranks that need no torch."""

from __future__ import annotations

import sys

from workers.engine import OmniDiffusionConfig
from workers.executors.ray_group import RayDiffusionExecutor


class LightRayExecutor(RayDiffusionExecutor):
    """Its actors load in no time."""

    make_worker = "tests.executors.light_rank.LightWorker"


if __name__ == "__main__":
    executor = LightRayExecutor(
        OmniDiffusionConfig(model="light", num_gpus=2, executor_options={"ray_address": sys.argv[1]})
    )
    # Nobody shuts it down: it ends with this process.
    sys.stdout.write(" ".join(str(facts["process"]) for facts in executor.collective_rpc("facts")))
