"""What one executor has of a Ray cluster: a placement group, and in it one actor per rank.

`ray_group` asks for it; only this half of the executor, with `ray_rank` and `ray_cluster`, imports Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from omni_jobs.errors import EngineUnavailable, Misconfigured
from workers.executors import ray_cluster
from workers.executors.ray_actor import RayActor, Whereabouts


class Share:
    """See the module's docstring."""

    def __init__(self, address: str | None, count: int) -> None:
        """Raises EngineUnavailable where there is no cluster and none can be started."""
        ray_cluster.enter(address)
        self._count = count
        self._group: Any = None

    def actors(self, device: str | None, placement: str, make_worker: str) -> list[Any]:
        """Actor handles by rank, all placed together or none.

        Raises:
            Misconfigured: the cluster is too small.
        """
        resource = resource_of(device, self._count, ray.cluster_resources())
        self._group = ray.util.placement_group([{resource: 1}] * self._count, strategy=placement)
        kind = ray.remote(concurrency_groups={"living": 1})(RayActor)
        return [
            kind.options(
                num_cpus=int(resource == "CPU"),
                num_gpus=int(resource == "GPU"),
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, number),
            ).remote(make_worker)
            for number in range(self._count)
        ]

    def meet(self, actors: Sequence[Any], seconds: float) -> list[Whereabouts]:
        """Wait until all actors run; where.

        Raises:
            EngineUnavailable: they do not in time, or one of them cannot.
        """
        try:
            places: list[Whereabouts] = ray.get([actor.whereabouts.remote() for actor in actors], timeout=seconds)
        except RayError as error:
            raise EngineUnavailable(
                f"Ray did not bring up {len(actors)} ranks in {seconds:g} s: {error}",
                remedy="See what the cluster is busy with (ray status). Its machines need omni-jobs[worker,ray].",
            ) from error
        return places

    def cleanup(self) -> None:
        """End the actors and leave the cluster."""
        try:
            if self._group is not None and ray.is_initialized():
                ray.util.remove_placement_group(self._group)
        finally:
            ray_cluster.leave()


def resource_of(device: str | None, count: int, cluster: Mapping[str, float]) -> str:
    """Of what each rank takes one: GPU where the cluster has any and `device` is not the CPU.

    Raises:
        Misconfigured: the whole cluster has fewer.
    """
    on_cpu = device.startswith("cpu") if device else not cluster.get("GPU")
    resource = "CPU" if on_cpu else "GPU"
    there = int(cluster.get(resource, 0))
    if there < count:
        raise Misconfigured(
            f"`num_gpus`: {count} ranks take one {resource} each, and the Ray cluster has {there}.",
            field="num_gpus",
            value=count,
        )
    return resource
