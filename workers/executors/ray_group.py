"""The executor for ranks that Ray places: one actor per rank, on any machine of a cluster; `ray` is an extra.

Everything but how a rank is started, reached and ended is as with `MultiProcDiffusionExecutor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from omni_jobs.errors import Misconfigured
from workers.executors.multiproc import MultiProcDiffusionExecutor
from workers.executors.ranks import BackgroundResources
from workers.executors.ray_actor import Whereabouts


class RayDiffusionExecutor(MultiProcDiffusionExecutor):
    """`executor_options` may name the `ray_address` and the `ray_placement`."""

    #: The qualified name of what makes a rank's worker.
    make_worker = "workers.executors.rank_process.joined_worker"

    def _connect(self) -> tuple[BackgroundResources, str]:
        if find_spec("ray") is None:
            raise Misconfigured(
                "`distributed_executor_backend`: 'ray' needs Ray, which is not installed.",
                field="distributed_executor_backend",
                value="ray",
                remedy="pip install 'omni-jobs[ray]'",
            )
        from workers.executors.ray_rank import RayRank
        from workers.executors.ray_share import Share

        options = self._options
        share = Share(options.ray_address, self.od_config.ranks)
        try:
            actors = share.actors(self.od_config.device, options.ray_placement, self.make_worker)
            places = share.meet(actors, options.ready_seconds)
        except BaseException:
            share.cleanup()
            raise
        ranks = [RayRank(number, *one) for number, one in enumerate(zip(actors, places, strict=True))]
        return BackgroundResources(ranks, share), rendezvous(places)

    def _local_rank(self, rank: int) -> int:
        return 0  # Ray shows an actor its own device alone


def rendezvous(places: Sequence[Whereabouts]) -> str:
    """Where the ranks meet: with rank 0, and by the loopback device when all are on one machine."""
    host = "127.0.0.1" if len({place.host for place in places}) == 1 else places[0].host
    return f"tcp://{host}:{places[0].port}"
