"""The ranks among which one model is spread, as an option sees them: its numbers, device, mesh and lockstep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch.distributed.device_mesh import init_device_mesh

from workers.parallel.degrees import DiffusionParallelConfig
from workers.stepping.lockstep import Lockstep

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

#: Dimensions of the mesh, outermost first: what talks most is nearest.
DIMENSIONS = ("cfg", "ring", "ulysses", "tp")


@dataclass(frozen=True)
class Spread:
    """`device` is this rank's own."""

    config: DiffusionParallelConfig
    device: torch.device
    lockstep: Lockstep

    @property
    def mesh(self) -> DeviceMesh:
        """All ranks of the denoiser along DIMENSIONS. Every rank must ask at the same point: it makes groups."""
        config = self.config
        sizes = (
            config.cfg_parallel_size,
            config.ring_degree,
            config.ulysses_degree,
            config.tensor_parallel_size,
        )
        return _mesh(self.device.type, sizes)


@cache
def _mesh(device_type: str, sizes: tuple[int, ...]) -> DeviceMesh:
    """Made once: groups are never given back, and a pipeline may be loaded again."""
    return init_device_mesh(device_type, sizes, mesh_dim_names=DIMENSIONS)
